import { useMemo, useRef, useState } from 'preact/hooks'
import { SeriesPlot } from '../charts/series-plot'
import { add, type Int } from '../data/exact'
import { exact } from '../data/format'
import { hourShort, hourText, isRunning, progressOf, type Slot, type Window } from '../data/hours'
import { seriesUrl, type FlowRow } from '../data/queries'
import { linesOf, type Line } from '../data/series'
import { namesOfKey, type Field } from '../data/view'
import { useQuery, type Asked } from '../hooks'
import { eraOf, usePage } from '../page'
import { Bytes, Path } from '../parts/cells'
import { CsvLink } from '../parts/controls'
import { emptyText, Panel } from '../parts/panel'
import type { Axis } from './hours'

// A month; more would read more than a line of pixels can show.
const mostHours = 744

interface SeriesProps {
  axis: Axis
  /** Where the question stands that the rows answer. */
  rows: Asked<unknown>
  /** The rows, by their keys in this grouping. */
  keys: readonly string[]
  group: readonly Field[]
}

/** Picture is lines, and the hours that they are drawn over. */
interface Picture {
  lines: readonly Line[]
  slots: readonly Slot[]
  window: Window
}

/** Series is some rows over the hours that the picker shows. */
export function Series({ axis, rows, keys, group }: SeriesProps) {
  const page = usePage()
  const { view, go, hour, now, live, dark } = page
  const { slots, totals } = axis
  const wanted = useMemo(
    () => ({ lo: Math.max(axis.window.lo, axis.window.hi - mostHours), hi: axis.window.hi }),
    [axis.window],
  )
  const shown = useMemo(() => slots.slice(wanted.lo, wanted.hi).filter((of) => of !== null), [slots, wanted])
  const from = shown[0]
  const to = shown.at(-1)
  const url =
    keys.length === 0 || from === undefined || to === undefined
      ? null
      : seriesUrl({ ...view, group }, keys, from, to + 1)
  const known = shown.map((of) => totals.get(of)).filter((of) => of !== undefined)
  const version = `${eraOf(page.status)} ${known.reduce<Int>((sum, of) => add(sum, progressOf(of)), 0)}`
  const asked = useQuery<FlowRow[]>(live, url, version)
  const answered = asked.url === url
  const made = useMemo(
    () => (answered ? { lines: linesOf(asked.data ?? [], keys, group, slots, wanted), slots, window: wanted } : null),
    [answered, asked.data, keys, group, slots, wanted],
  )
  // While the next answer is awaited, the last picture stays, with all that it was drawn from.
  const picture = useRef<Picture>({ lines: [], slots, window: wanted })
  if (made) picture.current = made
  const [place, setPlace] = useState<number | null>(null)
  const at = place === null ? null : (picture.current.slots[picture.current.window.lo + place] ?? null)
  const label = `Bytes of ${keys.length} rows over ${shown.length} hours; the table below has the figures`
  return (
    <Panel
      title="Over the hours"
      testid="series"
      asked={asked}
      note={
        at !== null
          ? hourText(at) + (isRunning(at, now) ? ', so far' : '')
          : (view.rows.length > 0 ? `${view.rows.length} chosen rows` : 'The first rows; tick others in the table') +
            leftOut(axis.window, wanted)
      }
      tools={
        <>
          {view.rows.length > 0 && (
            <button type="button" onClick={() => go({ rows: [] })} data-testid="clear-rows">
              Clear
            </button>
          )}
          {url !== null && <CsvLink url={url} name={`flowd-${from}-${to}-hours`} testid="series-csv" />}
        </>
      }
    >
      {keys.length === 0 ? (
        <p class="empty">{emptyText(rows, 'There are no rows to show.')}</p>
      ) : (
        <>
          <SeriesPlot {...picture.current} {...{ dark, label, now }} chosen={hour} height={170} onHover={setPlace} />
          <Legend lines={picture.current.lines} place={place} />
          <Figures {...picture.current} />
        </>
      )}
    </Panel>
  )
}

/** leftOut says which hours of the picker the lines leave out, if any. */
function leftOut(all: Window, drawn: Window): string {
  if (drawn.lo === all.lo) return ''
  return `. Only the newest ${exact(drawn.hi - drawn.lo)} hours of ${exact(all.hi - all.lo)}`
}

/** Legend names the lines, with what they are at place, or at most. */
function Legend({ lines, place }: { lines: readonly Line[]; place: number | null }) {
  const { write, go, view } = usePage()
  return (
    <ul class="legend" data-testid="series-legend">
      {lines.map((line, i) => (
        <li key={line.key}>
          <span class={`swatch mark-${i + 1}`} aria-hidden="true" />
          <span class="legend-name">
            <Path names={namesOfKey(line.key)} />
          </span>
          <span class="legend-value">
            {place === null ? (
              <>
                <span class="quiet">at most </span>
                <Bytes n={line.highest} write={write} />
              </>
            ) : (
              <Bytes n={line.values[place] ?? 0} write={write} />
            )}
          </span>
          {view.rows.includes(line.key) && (
            <button
              type="button"
              class="drop"
              aria-label={`Remove ${namesOfKey(line.key).join(' to ')}`}
              onClick={() => go((now) => ({ rows: now.rows.filter((key) => key !== line.key) }))}
            >
              ×
            </button>
          )}
        </li>
      ))}
    </ul>
  )
}

/** Figures is the chart as a table, made when it is opened. */
function Figures({ lines, slots, window }: Picture) {
  const { now } = usePage()
  const [open, setOpen] = useState(false)
  const hours = slots.slice(window.lo, window.hi)
  return (
    <details class="figures" onToggle={(event) => setOpen(event.currentTarget.open)} data-testid="series-table">
      <summary>As a table</summary>
      {open && (
        <div class="figures-box" tabIndex={0} role="region" aria-label="Bytes by hour">
          <table>
            <thead>
              <tr>
                <th scope="col">Hour</th>
                {lines.map((line) => (
                  <th scope="col" class="number" key={line.key}>
                    <Path names={namesOfKey(line.key)} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {hours.map(
                (hour, i) =>
                  hour !== null && (
                    <tr key={hour}>
                      <th scope="row">
                        {hourShort(hour)}
                        {isRunning(hour, now) && ', so far'}
                      </th>
                      {lines.map((line) => (
                        <td class="number" key={line.key}>
                          {exact(line.values[i] ?? 0)}
                        </td>
                      ))}
                    </tr>
                  ),
              )}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}
