import { useMemo } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { add, ratio, type Int } from '../data/exact'
import { percent } from '../data/format'
import { pairsUrl, type PairRow } from '../data/queries'
import { rowKey } from '../data/view'
import { useQuery } from '../hooks'
import { usePage, versionOf } from '../page'
import { Bytes, Name } from '../parts/cells'
import { CsvLink } from '../parts/controls'
import { emptyText, noFlows, Panel } from '../parts/panel'
import { LimitSelect, RowsNote } from '../parts/rows'
import { Table, type Column } from '../parts/table'

/** Ends is what both ends of a connection reported of it, the largest disagreement first. */
export function Ends() {
  const page = usePage()
  const { view, go, hour, live, write } = page
  const url = pairsUrl(view, hour)
  const asked = useQuery<PairRow[]>(live, url, versionOf(page, view.limit, hour), { hour })
  const rows = asked.data ?? []
  const columns = useMemo(() => columnsOf(write), [write])
  return (
    <Panel
      title="Both ends"
      className="fill"
      testid="ends"
      asked={asked}
      note={
        <>
          What two apps report of the same bytes.{' '}
          {asked.data && <RowsNote rows={rows.length} truncated={asked.truncated} />}
          {view.filters.src_app.length + view.filters.dest_app.length > 0 &&
            '. Filters of source and destination match either end'}
        </>
      }
      tools={
        <>
          <LimitSelect />
          <CsvLink url={url} name={`flowd-${hour}-ends`} testid="ends-csv" />
        </>
      }
    >
      <Table
        {...{ columns, rows }}
        label="Both ends"
        keyOf={(row) => rowKey([row.app_a, row.app_b, row.vpc_id])}
        order={`-${view.ends}`}
        // The server has these in descending order alone.
        onOrder={(order) => go({ ends: order.endsWith('bytes_total') ? 'bytes_total' : 'disagreement' })}
        empty={emptyText(asked, noFlows(view))}
        question={asked.url}
        exact={view.exact}
        testid="ends-table"
      />
    </Panel>
  )
}

function App({ value }: { value: string }) {
  return (
    <span class="name" title={value}>
      <Name value={value} />
    </span>
  )
}

const reporters = { both: 'both', a: 'A alone', b: 'B alone' } as const

function columnsOf(write: (n: Int) => string): Column<PairRow>[] {
  const none = <span class="quiet">none</span>
  const missing = <span class="quiet">not reported</span>
  // What an end did not report is no zero.
  const of = (row: PairRow, end: 'a' | 'b', n: Int): ComponentChildren =>
    row.reported_by === 'both' || row.reported_by === end ? <Bytes n={n} write={write} /> : missing
  return [
    { id: 'app_a', head: 'App A', kind: 'name', cell: (row) => <App value={row.app_a} /> },
    { id: 'app_b', head: 'App B', kind: 'name', cell: (row) => <App value={row.app_b} /> },
    { id: 'vpc_id', head: 'VPC', title: 'vpc_id', kind: 'short', cell: (row) => <App value={row.vpc_id} /> },
    { id: 'ab_sent', head: 'A→B, A sent', kind: 'number', cell: (row) => of(row, 'a', row.a_to_b_sent) },
    { id: 'ab_received', head: 'B received', kind: 'number', cell: (row) => of(row, 'b', row.a_to_b_received) },
    { id: 'ba_sent', head: 'B→A, B sent', kind: 'number', cell: (row) => of(row, 'b', row.b_to_a_sent) },
    { id: 'ba_received', head: 'A received', kind: 'number', cell: (row) => of(row, 'a', row.b_to_a_received) },
    {
      id: 'bytes_total',
      head: 'Reported',
      title: 'All bytes that either end reported, sent and received',
      kind: 'number',
      order: 'bytes_total',
      cell: (row) => <Bytes n={reported(row)} write={write} />,
    },
    {
      id: 'disagreement',
      head: 'Differs by',
      title: 'disagreement: how far the two reports are apart, both ways together',
      kind: 'number',
      order: 'disagreement',
      cell: (row) => (row.disagreement === 0 ? none : <Bytes n={row.disagreement} write={write} />),
    },
    {
      id: 'relative',
      head: 'Relative',
      title: 'The difference beside what went both ways',
      kind: 'number',
      cell: (row) =>
        row.disagreement === 0 ? '' : <span class="more">{percent(ratio(row.disagreement, carried(row)))}</span>,
    },
    { id: 'reported_by', head: 'Reported by', kind: 'short', cell: (row) => reporters[row.reported_by] },
  ]
}

function reported(row: PairRow): Int {
  return add(add(row.a_to_b_sent, row.a_to_b_received), add(row.b_to_a_sent, row.b_to_a_received))
}

/** carried is what went both ways, by the larger of the two reports of each. */
function carried(row: PairRow): Int {
  const larger = (a: Int, b: Int) => (a > b ? a : b)
  return add(larger(row.a_to_b_sent, row.a_to_b_received), larger(row.b_to_a_sent, row.b_to_a_received))
}
