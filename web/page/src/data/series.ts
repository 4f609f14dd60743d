import { add, type Int } from './exact'
import { bytesOf, type Slot, type Window } from './hours'
import type { FlowRow } from './queries'
import { rowKey, type Field } from './view'

/** Line is the bytes of a row at each slot of a window; null where an axis leaves hours out. */
export interface Line {
  key: string
  values: (Int | null)[]
  sum: Int
  highest: Int
}

/** keyOfRow is rowKey of a row's group fields. */
export function keyOfRow(row: FlowRow, group: readonly Field[]): string {
  return rowKey(group.map((field) => row[field] ?? ''))
}

/** linesOf lays rows that were grouped by group and hour out on the slots of window, a line for each of keys. */
export function linesOf(
  rows: readonly FlowRow[],
  keys: readonly string[],
  group: readonly Field[],
  slots: readonly Slot[],
  window: Window,
): Line[] {
  const byKey = new Map(keys.map((key) => [key, new Map<number, Int>()]))
  for (const row of rows) {
    // Rows of other keys come along, as filters cross.
    if (row.hour !== undefined) byKey.get(keyOfRow(row, group))?.set(row.hour, bytesOf(row))
  }
  return keys.map((key) => {
    const of = byKey.get(key)!
    const values = slots.slice(window.lo, window.hi).map((hour) => (hour === null ? null : (of.get(hour) ?? 0)))
    const known = values.filter((value) => value !== null)
    return {
      key,
      values,
      sum: known.reduce<Int>(add, 0),
      highest: known.reduce<Int>((a, b) => (b > a ? b : a), 0),
    }
  })
}
