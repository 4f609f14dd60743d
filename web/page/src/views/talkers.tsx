import { useCallback, useMemo } from 'preact/hooks'
import { add, ratio, type Int } from '../data/exact'
import { share } from '../data/format'
import { bytesOf, wholeOf } from '../data/hours'
import { talkersUrl, type FlowRow } from '../data/queries'
import { keyOfRow } from '../data/series'
import { namesOfKey, toggled, type Field } from '../data/view'
import { useGroup, useQuery, type Asked, type Go } from '../hooks'
import { usePage, versionOf } from '../page'
import { Bytes, fieldTexts, NameCell } from '../parts/cells'
import { CsvLink } from '../parts/controls'
import { emptyText, noFlows, Panel } from '../parts/panel'
import { LimitSelect, RowsNote } from '../parts/rows'
import { Table, type Column } from '../parts/table'
import { Changes } from './changes'
import type { Axis } from './hours'
import { MapPanel } from './map'
import { Series } from './series'

const shownUnasked = 5

/** Talkers is the first view: the top talkers, and beside them their hours, their connections and what changed. */
export function Talkers({ axis }: { axis: Axis }) {
  const page = usePage()
  const { view, hour } = page
  const asked = useQuery<FlowRow[]>(page.live, talkersUrl(view, hour), versionOf(page, view.limit, hour), {
    hour,
    totals: axis.totals.get(hour),
  })
  const group = useGroup(asked.data, view.group)
  const first = useMemo(
    () => (asked.data ?? []).slice(0, shownUnasked).map((row) => keyOfRow(row, group)),
    [group, asked.data],
  )
  // Keys go with their grouping: those of the view with the view's, those of rows with the rows'.
  const series = view.rows.length > 0 ? { keys: view.rows, group: view.group } : { keys: first, group }
  return (
    <div class="columns">
      <TalkersTable {...{ asked, group }} />
      <div class="column">
        <Series axis={axis} rows={asked} {...series} />
        <MapPanel compact />
        <Changes compact />
      </div>
    </div>
  )
}

function TalkersTable({ asked, group }: { asked: Asked<FlowRow[]>; group: readonly Field[] }) {
  const { view, go, hour, write } = usePage()
  const rows = asked.data ?? []
  const { largest, sum } = useMemo(() => measure(rows), [rows])
  const whole = wholeOf(asked.about?.totals, sum)
  const columns = useMemo(() => columnsOf(group, go, { whole, largest, write }), [group, go, whole, largest, write])
  const chosen = useMemo(() => new Set(view.rows), [view.rows])
  const markOf = useCallback((key: string) => view.rows.indexOf(key) + 1, [view.rows])
  const keyOf = useCallback((row: FlowRow) => keyOfRow(row, group), [group])
  return (
    <Panel
      title="Top talkers"
      className="fill"
      testid="talkers"
      asked={asked}
      note={asked.data && <RowsNote rows={rows.length} truncated={asked.truncated} {...{ sum, whole }} />}
      tools={
        <>
          <LimitSelect />
          <CsvLink url={talkersUrl(view, hour)} name={`flowd-${hour}-talkers`} testid="talkers-csv" />
        </>
      }
    >
      <Table
        {...{ columns, rows, chosen, keyOf, markOf }}
        label="Top talkers"
        order={view.order}
        onOrder={(order) => go({ order })}
        onChoose={(key) => go((now) => ({ rows: toggled(now.rows, key) }))}
        nameOf={(row) => namesOfKey(keyOf(row)).join(' to ')}
        empty={emptyText(asked, noFlows(view))}
        question={asked.url}
        exact={view.exact}
        testid="talkers-table"
      />
    </Panel>
  )
}

/** measure is the largest total of a row, for bars; and the sum of all. */
function measure(rows: readonly FlowRow[]): { largest: Int; sum: Int } {
  let largest: Int = 0
  let sum: Int = 0
  for (const row of rows) {
    const total = bytesOf(row)
    if (total > largest) largest = total
    sum = add(sum, total)
  }
  return { largest, sum }
}

interface Scale {
  whole: Int | null
  largest: Int
  write: (n: Int) => string
}

function columnsOf(group: readonly Field[], go: Go, { whole, largest, write }: Scale): Column<FlowRow>[] {
  return [
    ...group.map((field): Column<FlowRow> => ({
      id: field,
      head: fieldTexts[field],
      title: field,
      // There are few networks, and their names are short.
      kind: field === 'vpc_id' && group.length > 1 ? 'short' : 'name',
      order: field,
      cell: (row) => <NameCell field={field} value={row[field] ?? ''} go={go} />,
    })),
    {
      id: 'bytes_tx',
      head: 'Sent',
      dot: 'tx',
      title: 'bytes_tx: what the source sent',
      kind: 'number',
      order: 'bytes_tx',
      cell: (row) => <Bytes n={row.bytes_tx} write={write} />,
    },
    {
      id: 'bytes_rx',
      head: 'Received',
      dot: 'rx',
      title: 'bytes_rx: what the source received',
      kind: 'number',
      order: 'bytes_rx',
      cell: (row) => <Bytes n={row.bytes_rx} write={write} />,
    },
    {
      id: 'bytes_total',
      head: 'Total',
      title: 'Sent and received',
      kind: 'number',
      order: 'bytes_total',
      cell: (row) => <Bytes n={bytesOf(row)} write={write} />,
    },
    {
      id: 'share',
      head: 'Share',
      title: 'Share of the bytes of the hour; the bar has sent and received',
      kind: 'bar',
      cell: (row) => <ShareBar row={row} whole={whole} largest={largest} />,
    },
  ]
}

/** ShareBar is as long as the row is beside the largest; the figure is of the whole hour. */
function ShareBar({ row, whole, largest }: { row: FlowRow; whole: Int | null; largest: Int }) {
  return (
    <span class="share">
      <span class="share-bar" aria-hidden="true">
        <span class="tx" style={{ width: `${100 * ratio(row.bytes_tx, largest)}%` }} />
        <span class="rx" style={{ width: `${100 * ratio(row.bytes_rx, largest)}%` }} />
      </span>
      <span class="share-text">{share(bytesOf(row), whole)}</span>
    </span>
  )
}
