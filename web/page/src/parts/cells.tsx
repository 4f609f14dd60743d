import { exact as digits, shown } from '../data/format'
import type { Int } from '../data/exact'
import type { Field } from '../data/view'
import type { Go } from '../hooks'

export const fieldTexts: Record<Field, string> = { src_app: 'Source', dest_app: 'Destination', vpc_id: 'VPC' }

/** Name is a name as text, spaces and all, whatever direction it is written in. */
export function Name({ value }: { value: string }) {
  return <bdi>{shown(value)}</bdi>
}

/** NameCell is a name; to click it is to keep the rows that have it. */
export function NameCell({ field, value, go }: { field: Field; value: string; go: Go }) {
  // Out of the order of Tab: the filters take any name, and hundreds of stops would help nobody.
  return (
    <button
      type="button"
      class="name"
      tabIndex={-1}
      title={`${value}\nClick to show only this ${fieldTexts[field].toLowerCase()}`}
      onClick={() => go((view) => ({ filters: { ...view.filters, [field]: [value] } }))}
    >
      <Name value={value} />
    </button>
  )
}

/** Bytes writes n as the view wants, and every digit on hover. */
export function Bytes({ n, write }: { n: Int; write: (n: Int) => string }) {
  return <span title={`${digits(n)} bytes`}>{write(n)}</span>
}

/** Path is the names of a row: source, destination, VPC. */
export function Path({ names }: { names: readonly string[] }) {
  return (
    <span title={names.join(' → ')}>
      {names.map((name, i) => (
        <>
          {i > 0 && <span class="quiet"> › </span>}
          <Name value={name} />
        </>
      ))}
    </span>
  )
}
