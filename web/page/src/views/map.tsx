import { useMemo } from 'preact/hooks'
import { MapChart } from '../charts/map-chart'
import { matrixOptions, sankeyOptions, type Spot } from '../charts/map-options'
import { subtract, type Int } from '../data/exact'
import { counted, exact, share } from '../data/format'
import { wholeOf } from '../data/hours'
import { linksOf, matrixOf, nodesOf, sumOf, type Link, type Matrix } from '../data/map'
import { linksUrl, type FlowRow } from '../data/queries'
import { linkCounts } from '../data/view'
import { useQuery, type Go } from '../hooks'
import { usePage, versionOf } from '../page'
import { Bytes, Name, NameCell } from '../parts/cells'
import { Choice, CsvLink, Select } from '../parts/controls'
import { emptyText, noFlows, Panel } from '../parts/panel'
import { Table, type Column } from '../parts/table'
import { TabLink } from './tabs'

const forms = [
  { value: 'sankey', text: 'Diagram' },
  { value: 'matrix', text: 'Matrix' },
  { value: 'table', text: 'Table' },
] as const

const compactLinks = 12
const compactHeight = 300
const figures = 'The form Table of Who talks to whom has the figures.'
// The matrix shows so many apps of each side, between them the connections that are among so many.
const matrixApps = 28
const matrixLinks = 5000

/** MapPanel is who talks to whom: as a diagram of the heaviest connections, as a matrix of the apps, or as a table. */
export function MapPanel({ compact = false }: { compact?: boolean }) {
  const page = usePage()
  const { view, go, hour, hours, live, write } = page
  const form = compact ? 'sankey' : view.map
  const most = compact ? compactLinks : form === 'matrix' ? matrixLinks : view.links
  const url = linksUrl(view, hour, most)
  const asked = useQuery<FlowRow[]>(live, url, versionOf(page, most, hour), {
    hour,
    totals: hours.find((of) => of.hour === hour),
  })
  const links = useMemo(() => linksOf(asked.data ?? []), [asked.data])
  const matrix = useMemo(() => matrixOf(links, matrixApps), [links])
  const drawn = useMemo(
    () => (form === 'matrix' ? matrix.cells.map((cell) => cell.link) : links),
    [form, matrix, links],
  )
  const whole = wholeOf(asked.about?.totals, sumOf(links))
  const counts = [...new Set([...linkCounts, view.links])].sort((a, b) => a - b)
  return (
    <Panel
      title="Who talks to whom"
      testid={compact ? 'map-compact' : 'map'}
      asked={asked}
      note={asked.data && <MapNote {...{ links, drawn, whole, write }} truncated={asked.truncated} />}
      tools={
        compact ? (
          <TabLink tab="map" testid="open-map">
            Open
          </TabLink>
        ) : (
          <>
            <Choice
              label="Shown as"
              options={forms}
              value={view.map}
              onChoose={(map) => go({ map })}
              testid="map-form"
            />
            {form !== 'matrix' && (
              <Select
                label="Connections"
                value={view.links}
                options={counts.map((value) => ({ value, text: String(value) }))}
                onChoose={(value) => go({ links: Number(value) })}
                testid="map-links"
              />
            )}
            <CsvLink url={url} name={`flowd-${hour}-connections`} testid="map-csv" />
          </>
        )
      }
    >
      {links.length === 0 ? (
        <p class="empty">{emptyText(asked, noFlows(view))}</p>
      ) : (
        <Picture {...{ form, links, matrix, whole, compact }} />
      )}
    </Panel>
  )
}

interface PictureProps {
  form: 'sankey' | 'matrix' | 'table'
  links: Link[]
  matrix: Matrix
  whole: Int | null
  compact: boolean
}

function Picture({ form, links, matrix, whole, compact }: PictureProps) {
  const { go, dark, write } = usePage()
  const pick = (spot: Spot) =>
    go(({ filters }) => ({
      filters:
        'link' in spot
          ? { ...filters, src_app: [spot.link.src], dest_app: [spot.link.dest] }
          : { ...filters, [spot.side === 'src' ? 'src_app' : 'dest_app']: [spot.app] },
    }))
  const tip = (spot: Spot) => <MapTip spot={spot} links={links} write={write} whole={whole} />
  if (form === 'table') return <LinksTable {...{ links, whole }} />
  if (form === 'matrix') {
    return (
      <>
        <MapChart
          key="matrix"
          options={(size) => matrixOptions(matrix, size)}
          parts={[matrix, dark]}
          height={170 + 24 * Math.max(6, matrix.lines.length)}
          label={`Matrix of ${matrix.lines.length} sources and ${matrix.columns.length} destinations. ${figures}`}
          onPick={pick}
          tip={tip}
        />
        <p class="scale">
          Fewer bytes <span class="scale-bar" aria-hidden="true" /> more bytes, by order of magnitude
          {matrix.left.links > 0 &&
            `. Other apps have ${exact(matrix.left.links)} more connections, with ${write(matrix.left.total)}.`}
        </p>
      </>
    )
  }
  const nodes = nodesOf(links)
  const rows = Math.max(...(['src', 'dest'] as const).map((side) => nodes.filter((node) => node.side === side).length))
  return (
    <MapChart
      key="sankey"
      options={(size) => sankeyOptions(links, size)}
      parts={[links, dark]}
      height={compact ? between(90, 46 * rows, compactHeight) : Math.max(between(120, 60 * rows, 460), 26 * rows)}
      label={`The ${links.length} heaviest connections, led by ${links[0]?.src} to ${links[0]?.dest}. ${figures}`}
      onPick={pick}
      tip={tip}
    />
  )
}

function between(least: number, n: number, most: number): number {
  return Math.max(least, Math.min(n, most))
}

interface MapNoteProps {
  /** What was read, and what of it is shown. */
  links: readonly Link[]
  drawn: readonly Link[]
  truncated: boolean
  whole: Int | null
  write: (n: Int) => string
}

/** MapNote says how much is shown, and how much is not. */
function MapNote({ links, drawn, truncated, whole, write }: MapNoteProps) {
  const sum = sumOf(drawn)
  const most = truncated ? `the heaviest ${exact(links.length)}` : exact(links.length)
  const left = whole === null ? 0 : subtract(whole, sum)
  return (
    <span data-testid="map-note">
      {drawn.length < links.length
        ? `${exact(drawn.length)} of ${most} connections`
        : counted(links.length, 'connection', truncated ? 'The heaviest' : 'All')}
      {sum > 0 && whole !== null && `, ${share(sum, whole)} of the hour’s bytes`}
      {left > 0 && `; not shown: ${write(left)}, ${share(left, whole)}`}
    </span>
  )
}

interface MapTipProps {
  spot: Spot
  links: readonly Link[]
  whole: Int | null
  write: (n: Int) => string
}

function MapTip({ spot, links, whole, write }: MapTipProps) {
  const named = 'link' in spot ? [spot.link] : links.filter((link) => link[spot.side] === spot.app)
  const total = sumOf(named)
  return (
    <>
      <strong>
        {'link' in spot ? (
          <>
            <Name value={spot.link.src} /> → <Name value={spot.link.dest} />
          </>
        ) : (
          <Name value={spot.app} />
        )}
      </strong>
      <span>
        {write(total)}, {share(total, whole)} of the hour
      </span>
      {'app' in spot && (
        <span>
          as a {spot.side === 'src' ? 'source' : 'destination'}, in {named.length} of these
        </span>
      )}
    </>
  )
}

function LinksTable({ links, whole }: { links: Link[]; whole: Int | null }) {
  const { view, go, write } = usePage()
  const columns = useMemo(() => linkColumns(go, write, whole), [go, write, whole])
  return (
    <div class="table-frame">
      <Table
        {...{ columns }}
        rows={links}
        label="Connections"
        keyOf={(link) => `${link.src}\u001f${link.dest}`}
        empty={noFlows(view)}
        question={null}
        exact={view.exact}
        testid="map-table"
      />
    </div>
  )
}

function linkColumns(go: Go, write: (n: Int) => string, whole: Int | null): Column<Link>[] {
  return [
    { id: 'src', head: 'Source', kind: 'name', cell: (link) => <NameCell field="src_app" value={link.src} go={go} /> },
    {
      id: 'dest',
      head: 'Destination',
      kind: 'name',
      cell: (link) => <NameCell field="dest_app" value={link.dest} go={go} />,
    },
    { id: 'total', head: 'Total', kind: 'number', cell: (link) => <Bytes n={link.total} write={write} /> },
    { id: 'share', head: 'Share of the hour', kind: 'number', cell: (link) => share(link.total, whole) },
  ]
}
