import type { Int } from '../data/exact'
import { counted, exact, share } from '../data/format'
import { limits } from '../data/view'
import { mostRefreshed, usePage } from '../page'
import { Select } from './controls'

/** LimitSelect is how many rows the tables ask for. */
export function LimitSelect() {
  const { view, go } = usePage()
  const values = [...new Set([...limits, view.limit])].sort((a, b) => a - b)
  return (
    <Select
      label="Rows"
      value={view.limit}
      options={values.map((value) => ({ value, text: exact(value) }))}
      onChoose={(value) => go({ limit: Number(value) })}
      testid="limit"
    />
  )
}

interface RowsNoteProps {
  rows: number
  truncated: boolean
  /** What the rows carried, and what their hour did; null where the totals of that do not tell. */
  sum?: Int
  whole?: Int | null
}

/** RowsNote says how many rows there are, and how much of the hour they are. */
export function RowsNote({ rows, truncated, sum = 0, whole = null }: RowsNoteProps) {
  return (
    <span data-testid="rows-note">
      {counted(rows, 'row', truncated ? 'First' : 'All')}
      {rows > mostRefreshed && ', as they were when read'}
      {sum > 0 && whole !== null && `, ${share(sum, whole)} of the hour’s bytes`}
    </span>
  )
}
