import { useMemo } from 'preact/hooks'
import { add, ratio, type Int } from '../data/exact'
import { change as changeText, exact, signed } from '../data/format'
import { hourShort, hourText, isRunning, isTime } from '../data/hours'
import { diffUrl, type Change, type DiffRow } from '../data/queries'
import { rowKey, type Field, type View } from '../data/view'
import { useGroup, useQuery, type Go } from '../hooks'
import { comparisonOf, usePage, versionOf } from '../page'
import { Bytes, fieldTexts, NameCell, Path } from '../parts/cells'
import { Choice, CsvLink, HourField, Select } from '../parts/controls'
import { emptyText, matching, Panel } from '../parts/panel'
import { LimitSelect, RowsNote } from '../parts/rows'
import { Table, type Column } from '../parts/table'
import { TabLink } from './tabs'

const compactRows = 7

const orders = [
  { value: 'largest', text: 'Largest change' },
  { value: 'grown', text: 'Grown most' },
  { value: 'shrunk', text: 'Shrunk most' },
] as const

const meanings: Record<Change, string> = {
  new: 'not in the hour before',
  gone: 'no longer there',
  grown: 'more bytes',
  shrunk: 'fewer bytes',
  shifted: 'as many bytes in all, but others each way',
}

/** Changes is what changed since the hour that this one is compared with. */
export function Changes({ compact = false }: { compact?: boolean }) {
  const page = usePage()
  const { view, go, hour, live } = page
  const compared = comparisonOf(page)
  const { before, after } = compared ?? { before: hour, after: hour }
  const asking: View = compact ? { ...view, changes: 'largest' } : view
  const most = compact ? compactRows : view.limit
  const url = compared && diffUrl(asking, before, after, most)
  const asked = useQuery<DiffRow[]>(live, url, versionOf(page, most, before, after), { hour: after, before })
  const rows = asked.data ?? []
  const none = matching(
    view,
    'Nothing that matches changed between these hours.',
    'Nothing changed between these hours.',
  )
  const empty = compared ? emptyText(asked, none) : 'No hour before this one is finished, so there is none to compare.'
  const of = asked.about ?? { hour: after, before }
  return (
    <Panel
      title="What changed"
      className={compact ? '' : 'fill'}
      testid={compact ? 'changes-compact' : 'changes'}
      asked={asked}
      hour={after}
      note={
        <>
          {compared && <Since after={of.hour} before={of.before ?? before} />}
          {asked.data && !compact && '. '}
          {asked.data && !compact && <RowsNote rows={rows.length} truncated={asked.truncated} />}
        </>
      }
      tools={
        compact ? (
          <TabLink tab="changes" testid="open-changes">
            Open
          </TabLink>
        ) : (
          <>
            <Against before={before} />
            <Choice
              label="Order"
              options={orders}
              value={view.changes}
              onChoose={(changes) => go({ changes })}
              testid="changes-order"
            />
            <LimitSelect />
            {url !== null && <CsvLink url={url} name={`flowd-${before}-${after}-changes`} testid="changes-csv" />}
          </>
        )
      }
    >
      {compact ? <Short {...{ rows, empty }} /> : <Long {...{ rows, empty }} question={asked.url} />}
    </Panel>
  )
}

/** Since says which hours are compared, and what there is to know of them. */
function Since({ after, before }: { after: number; before: number }) {
  const { hour, hours, now } = usePage()
  const short = (of: number) => (isTime(of) ? hourShort(of) : hourText(of).toLowerCase())
  const totals = hours.find((of) => of.hour === before)
  return (
    <>
      {short(after)}
      {isRunning(after, now) && ' so far'}, since {short(before)}
      {isRunning(before, now) && ' so far'}
      {!totals && ', which has no flows'}
      {totals?.expired_before && ', of which a part is left'}
      {after < hour && isRunning(hour, now) && `; ${short(hour)} still runs`}
    </>
  )
}

/** Against chooses what the hour is compared with. */
function Against({ before }: { before: number }) {
  const { view, go, hour } = usePage()
  const relative = [-1, -24, -168]
  const options = [
    { value: -1, text: 'The hour before' },
    { value: -24, text: 'A day before' },
    { value: -168, text: 'A week before' },
    { value: 'hour', text: 'Another hour' },
  ]
  const value = relative.includes(view.against) ? view.against : 'hour'
  return (
    <>
      <Select
        label="Since"
        value={value}
        options={options}
        onChoose={(chosen) => go({ against: chosen === 'hour' ? before : Number(chosen) })}
        testid="against"
      />
      {value === 'hour' && (
        <HourField
          label="Compared with"
          hour={before}
          onChoose={(against) => against !== hour && go({ against })}
          testid="against-hour"
        />
      )}
    </>
  )
}

function Badge({ change }: { change: Change }) {
  return (
    <span class={`badge ${change}`} title={meanings[change]}>
      {change}
    </span>
  )
}

function Difference({ row, write }: { row: DiffRow; write: (n: Int) => string }) {
  return (
    <span class={row.difference < 0 ? 'less' : 'more'} title={`${signed(row.difference, exact)} bytes`}>
      {signed(row.difference, write)}
    </span>
  )
}

/** Short is the first changes, without a table's tools. */
function Short({ rows, empty }: { rows: readonly DiffRow[]; empty: string }) {
  const { view, write } = usePage()
  const group = useGroup(rows, view.group)
  if (rows.length === 0) return <p class="empty">{empty}</p>
  return (
    <ul class="changes-short">
      {rows.map((row) => {
        const names = group.map((field) => row[field] ?? '')
        return (
          <li key={rowKey(names)}>
            <Badge change={row.change} />
            <span class="legend-name">
              <Path names={names} />
            </span>
            <Difference row={row} write={write} />
          </li>
        )
      })}
    </ul>
  )
}

function Long({ rows, empty, question }: { rows: readonly DiffRow[]; empty: string; question: string | null }) {
  const { view, go, write } = usePage()
  const group = useGroup(rows, view.group)
  const columns = useMemo(() => columnsOf(group, go, write, largestOf(rows)), [group, go, write, rows])
  return (
    <Table
      {...{ columns, rows, question, empty }}
      label="What changed"
      keyOf={(row) => rowKey(group.map((field) => row[field] ?? ''))}
      exact={view.exact}
      testid="changes-table"
    />
  )
}

function largestOf(rows: readonly DiffRow[]): number {
  return rows.reduce((most, row) => Math.max(most, Math.abs(Number(row.difference))), 0)
}

function columnsOf(group: readonly Field[], go: Go, write: (n: Int) => string, largest: number): Column<DiffRow>[] {
  const before = (row: DiffRow) => add(row.bytes_tx_before, row.bytes_rx_before)
  const after = (row: DiffRow) => add(row.bytes_tx_after, row.bytes_rx_after)
  return [
    { id: 'change', head: 'Change', kind: 'short', cell: (row) => <Badge change={row.change} /> },
    ...group.map((field): Column<DiffRow> => ({
      id: field,
      head: fieldTexts[field],
      title: field,
      kind: field === 'vpc_id' && group.length > 1 ? 'short' : 'name',
      cell: (row) => <NameCell field={field} value={row[field] ?? ''} go={go} />,
    })),
    { id: 'before', head: 'Before', kind: 'number', cell: (row) => <Bytes n={before(row)} write={write} /> },
    { id: 'after', head: 'After', kind: 'number', cell: (row) => <Bytes n={after(row)} write={write} /> },
    { id: 'difference', head: 'Difference', kind: 'number', cell: (row) => <Difference row={row} write={write} /> },
    {
      id: 'times',
      head: 'Relative',
      kind: 'number',
      cell: (row) => (row.change === 'new' ? '' : changeText(before(row), after(row))),
    },
    {
      id: 'bar',
      head: 'Less or more',
      kind: 'bar',
      cell: (row) => <TwoWayBar part={ratio(row.difference, largest)} />,
    },
  ]
}

/** TwoWayBar goes to the left for less and to the right for more. */
function TwoWayBar({ part }: { part: number }) {
  const style = { width: `${50 * Math.abs(part)}%`, [part < 0 ? 'right' : 'left']: '50%' }
  return (
    <span class="two-way" aria-hidden="true">
      <span class={part < 0 ? 'less' : 'more'} style={style} />
    </span>
  )
}
