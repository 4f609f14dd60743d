import { counted, exact, percent } from '../data/format'
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

/** RowsNote says how many rows there are, and how much of the hour they are. */
export function RowsNote({ rows, truncated, share }: { rows: number; truncated: boolean; share?: number }) {
  return (
    <span data-testid="rows-note">
      {counted(rows, 'row', truncated ? 'First' : 'All')}
      {rows > mostRefreshed && ', as they were when read'}
      {share !== undefined && share > 0 && `, ${percent(share)} of the hour’s bytes`}
    </span>
  )
}
