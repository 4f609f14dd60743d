import { Component, type ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Column is how a table shows one thing of its rows. */
export interface Column<Row> {
  id: string
  head: string
  /** What the head is short for. */
  title?: string
  /** The class of a dot beside the head, in the colour that bars have for it. */
  dot?: string
  /** Numbers stand right, the rest left; names share what is left. */
  kind: 'name' | 'short' | 'number' | 'bar'
  /** What to order by when the head is clicked; without it the column is not for sorting. */
  order?: string
  cell: (row: Row) => ComponentChildren
}

interface TableProps<Row> {
  label: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
  /** The order in force: a column's order, with a leading - for descending. */
  order?: string
  onOrder?: (order: string) => void
  /** With these, each row has a check box. */
  chosen?: ReadonlySet<string>
  onChoose?: (key: string) => void
  nameOf?: (row: Row) => string
  /** The colour of a chosen row's mark, as a number of the palette. */
  markOf?: (key: string) => number
  empty: ComponentChildren
  /** What the rows answer; when that changes, the table is shown from its top. */
  question: string | null
  /** Numbers have all their digits, and need room for them. */
  exact?: boolean
  testid: string
}

// What columns need at least, in pixels; a narrower box scrolls sideways. The top talkers fit beside the other panels
// in a window of 1280, with a scroll bar.
const needed = { name: 104, short: 110, number: 92, bar: 110 }
const neededExact = { ...needed, number: 200 }

// What the style sheet gives a row. All rows are as high, so the place of each is known without asking the browser.
const rowHeight = 32
const spare = 10
const headHeight = 34

/** Table shows any number of rows: those in sight are in the document, and it says which of how many they are. */
export function Table<Row>(props: TableProps<Row>) {
  const { rows, columns, chosen, testid } = props
  const box = useRef<HTMLDivElement>(null)
  const { first, end } = useSight(box, rows.length)
  const focusAt = useFocusOfRows(box, rows.length)
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = 0
  }, [props.question])
  const wide = columns.length + (chosen ? 1 : 0)
  const room = props.exact ? neededExact : needed
  const style = {
    '--number-width': `${room.number}px`,
    '--table-width': `${columns.reduce((sum, column) => sum + room[column.kind], chosen ? 38 : 0)}px`,
  }

  return (
    <div
      class="table-box"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={`Rows: ${props.label}`}
      data-testid={testid}
      style={style}
    >
      <table aria-rowcount={rows.length + 1} aria-colcount={wide} onKeyDown={focusAt}>
        <thead>
          <tr aria-rowindex={1}>
            {chosen && (
              <th class="pick" scope="col">
                <span class="unseen">Over the hours</span>
              </th>
            )}
            {columns.map((column) => (
              <Head key={column.id} column={column} order={props.order} onOrder={props.onOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} wide={wide} />
          {rows.slice(first, end).map((row, i) => {
            const key = props.keyOf(row)
            return (
              <Line key={key} id={key} index={first + i} table={props} on={chosen?.has(key)} {...{ row, columns }} />
            )
          })}
          <Gap rows={rows.length - end} wide={wide} />
        </tbody>
      </table>
      {rows.length === 0 && <div class="table-empty">{props.empty}</div>}
    </div>
  )
}

interface HeadProps<Row> {
  column: Column<Row>
  order: string | undefined
  onOrder: ((order: string) => void) | undefined
}

function Head<Row>({ column, order = '', onOrder }: HeadProps<Row>) {
  const by = order.replace(/^-/, '')
  const mine = column.order !== undefined && column.order === by
  const falling = order.startsWith('-')
  const sort = mine ? (falling ? 'descending' : 'ascending') : undefined
  const choose = () => {
    if (!onOrder || column.order === undefined) return
    // The first click shows what one looks for: the largest numbers, the first names.
    const usual = column.kind === 'number' ? '-' : ''
    onOrder(mine ? (falling ? column.order : `-${column.order}`) : usual + column.order)
  }
  return (
    <th scope="col" class={column.kind} aria-sort={sort} title={column.title}>
      {column.order !== undefined && onOrder ? (
        <button type="button" class={mine ? 'sort on' : 'sort'} onClick={choose} data-testid={`sort-${column.id}`}>
          {column.dot && <span class={`dot-head ${column.dot}`} aria-hidden="true" />}
          {column.head}
          <span class="arrow" aria-hidden="true">
            {mine ? (falling ? '▼' : '▲') : ''}
          </span>
        </button>
      ) : (
        column.head
      )}
    </th>
  )
}

interface LineProps<Row> {
  row: Row
  index: number
  id: string
  columns: readonly Column<Row>[]
  table: TableProps<Row>
  on: boolean | undefined
}

class Line<Row> extends Component<LineProps<Row>> {
  // A scroll changes which rows there are, not what is in them.
  override shouldComponentUpdate(next: LineProps<Row>): boolean {
    const { row, index, columns, on, table } = this.props
    const same = row === next.row && index === next.index && columns === next.columns && on === next.on
    return !same || table.markOf !== next.table.markOf
  }

  override render({ row, index, id, columns, table, on }: LineProps<Row>) {
    const mark = on && table.markOf ? table.markOf(id) : 0
    return (
      <tr aria-rowindex={index + 2} class={on ? 'on' : undefined} data-row={index}>
        {table.chosen && (
          <td class="pick">
            <input
              type="checkbox"
              checked={on}
              class={mark > 0 ? `mark-${mark}` : undefined}
              aria-label={`Show ${table.nameOf?.(row) ?? id} over the hours`}
              onChange={() => table.onChoose?.(id)}
            />
          </td>
        )}
        {columns.map((column) => (
          <td key={column.id} class={column.kind}>
            {column.cell(row)}
          </td>
        ))}
      </tr>
    )
  }
}

/** Gap keeps the place of rows out of sight. */
function Gap({ rows, wide }: { rows: number; wide: number }) {
  if (rows <= 0) return null
  return (
    <tr class="gap" aria-hidden="true">
      <td colSpan={wide} style={{ height: `${rows * rowHeight}px` }} />
    </tr>
  )
}

/** useSight is which rows to put into the document: those in sight, and some around. */
function useSight(box: { current: HTMLDivElement | null }, rows: number): { first: number; end: number } {
  const [sight, setSight] = useState({ top: 0, height: 640 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return undefined
    const look = () => {
      // Only a new step of rows needs drawing.
      const top = Math.floor(element.scrollTop / (rowHeight * 4)) * rowHeight * 4
      const height = element.clientHeight
      setSight((old) => (old.top === top && old.height === height ? old : { top, height }))
    }
    look()
    element.addEventListener('scroll', look, { passive: true })
    const observer = new ResizeObserver(look)
    observer.observe(element)
    return () => {
      element.removeEventListener('scroll', look)
      observer.disconnect()
    }
  }, [box])
  const first = Math.max(0, Math.min(rows, Math.floor(sight.top / rowHeight) - spare))
  return { first, end: Math.min(rows, first + Math.ceil(sight.height / rowHeight) + 2 * spare + 4) }
}

/** useFocusOfRows lets the arrow keys go from a row's control to the same of the next row, wherever that is. */
function useFocusOfRows(box: { current: HTMLDivElement | null }, rows: number) {
  const waiting = useRef<{ row: number; place: number } | null>(null)
  useLayoutEffect(() => {
    const element = box.current
    const next = waiting.current
    if (!element || !next) return
    const control = controlsOf(element.querySelector(`tr[data-row="${next.row}"]`))[next.place]
    if (!control) return
    waiting.current = null
    control.focus({ preventScroll: true })
  })
  return (event: KeyboardEvent) => {
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -15, PageDown: 15 }[event.key]
    const element = box.current
    const line = (event.target as HTMLElement).closest<HTMLElement>('tr[data-row]')
    if (steps === undefined || !element || !line) return
    const row = Math.max(0, Math.min(rows - 1, Number(line.dataset['row']) + steps))
    const place = controlsOf(line).indexOf(event.target as HTMLElement)
    event.preventDefault()
    const top = row * rowHeight
    const sight = element.clientHeight - headHeight - rowHeight
    if (top < element.scrollTop) element.scrollTop = top
    else if (top > element.scrollTop + sight) element.scrollTop = top - sight
    waiting.current = { row, place }
    controlsOf(element.querySelector(`tr[data-row="${row}"]`))[place]?.focus({ preventScroll: true })
  }
}

function controlsOf(line: Element | null): HTMLElement[] {
  return line ? [...line.querySelectorAll<HTMLElement>('input, button')] : []
}
