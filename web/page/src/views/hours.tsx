import { useMemo } from 'preact/hooks'
import { HourBars } from '../charts/hour-bars'
import { Overview } from '../charts/overview'
import type { Int } from '../data/exact'
import { bytes, change, count, exact } from '../data/format'
import {
  bytesOf,
  hourShort,
  hourText,
  isTime,
  slotsOf,
  startOf,
  windowOf,
  type HourTotals,
  type Slot,
  type Window,
} from '../data/hours'
import { spans } from '../data/view'
import { Choice, HourField, IconButton } from '../parts/controls'
import { comparedWith, usePage } from '../page'

const spanTexts: Record<number, string> = { 24: '24 h', 48: '48 h', 168: '7 d', 720: '30 d', Infinity: 'All' }
const spanOptions = spans.map((value) => ({ value, text: spanTexts[value]! }))

/** Axis is the hours as charts lay them out, and the part that they show. */
export interface Axis {
  slots: readonly Slot[]
  window: Window
  totals: ReadonlyMap<number, HourTotals>
}

/** useAxis lays the hours out by the view's span and start. */
export function useAxis(): Axis {
  const { hours, hour, view } = usePage()
  // New totals of the same hours leave the axis, and what is drawn on it, in place.
  const known = hours.map((totals) => totals.hour).join()
  const slots = useMemo(() => slotsOf(hours.map((totals) => totals.hour)), [known])
  const totals = useMemo(() => new Map(hours.map((of) => [of.hour, of])), [hours])
  const { lo, hi } = windowOf(slots, view.span, view.start, slots.indexOf(hour))
  const window = useMemo(() => ({ lo, hi }), [lo, hi])
  return useMemo(() => ({ slots, window, totals }), [slots, window, totals])
}

/** Hours is the picker: which hour, what it carried, and the hours around it. */
export function Hours({ axis }: { axis: Axis }) {
  const { view, go, hours, hour, dark } = usePage()
  const { slots, window, totals } = axis
  const choose = (next: number, how: 'step' | 'slide' = 'step') =>
    go({ hour: next, start: inSight(axis, next) ? view.start : null }, how)
  const zoom = ({ lo, hi }: Window) => go({ start: startOf(slots, lo), span: hi - lo })
  return (
    <section class="panel hours" aria-labelledby="hour-name" data-testid="hours">
      <div class="hours-head">
        <Chosen onChoose={choose} />
        <Totals of={totals.get(hour)} before={totals.get(comparedWith(view, hours, hour))} />
      </div>
      <Slider axis={axis} onChoose={choose}>
        <HourBars
          {...{ slots, window, totals, dark }}
          chosen={hour}
          compared={view.tab === 'changes' ? comparedWith(view, hours, hour) : -1}
          onChoose={choose}
          onZoom={zoom}
          tip={(of) => <HourTip hour={of} totals={totals.get(of)} />}
        />
      </Slider>
      {window.hi - window.lo < slots.length && (
        <Overview {...{ slots, window, totals, dark }} onMove={(lo) => go({ start: startOf(slots, lo) }, 'slide')} />
      )}
    </section>
  )
}

function inSight({ slots, window }: Axis, hour: number): boolean {
  const slot = slots.indexOf(hour)
  return slot >= window.lo && slot < window.hi
}

function Chosen({ onChoose }: { onChoose: (hour: number, how?: 'step' | 'slide') => void }) {
  const { view, go, hours, hour } = usePage()
  const newest = hours.at(-1)?.hour ?? hour
  const before = hours.findLast((of) => of.hour < hour)?.hour
  const after = hours.find((of) => of.hour > hour)?.hour
  const running = isTime(hour) && hour === Math.floor(Date.now() / 3_600_000)
  return (
    <div class="chosen">
      <p class="eyebrow">{running ? 'Hour, still running' : 'Hour'}</p>
      <h2 id="hour-name" data-testid="hour-name">
        {hourText(hour)}
      </h2>
      <div class="hour-tools">
        <IconButton
          icon="left"
          label="Hour before"
          disabled={before === undefined}
          onClick={() => onChoose(before!, 'slide')}
          testid="hour-before"
        />
        <IconButton
          icon="right"
          label="Hour after"
          disabled={after === undefined}
          onClick={() => onChoose(after!, 'slide')}
          testid="hour-after"
        />
        <HourField label="Go to hour" hour={hour} onChoose={onChoose} testid="hour-field" />
        <label class="check">
          <input
            type="checkbox"
            checked={view.hour === 'newest'}
            onChange={(event) => go({ hour: event.currentTarget.checked ? 'newest' : newest, start: null })}
            data-testid="follow"
          />
          Follow the newest
        </label>
        {hours.length > spans[0] && (
          <Choice
            label="Hours shown"
            value={view.span}
            options={spanOptions}
            onChoose={(span) => go({ span, start: null })}
            testid="span"
          />
        )}
      </div>
    </div>
  )
}

interface SliderProps {
  axis: Axis
  onChoose: (hour: number, how: 'slide') => void
  children: preact.ComponentChildren
}

/** Slider makes the bars one control of keys: arrows go by an hour, the page keys by a day. */
function Slider({ axis: { slots, totals }, onChoose, children }: SliderProps) {
  const { hour } = usePage()
  const at = slots.indexOf(hour)
  const onKeyDown = (event: KeyboardEvent) => {
    const last = slots.length - 1
    const from = at < 0 ? last : at
    const places: Record<string, number> = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - 24,
      PageUp: from + 24,
      Home: 0,
      End: last,
    }
    const to = places[event.key]
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const next = nearest(slots, Math.max(0, Math.min(last, to)), to < from ? -1 : 1)
    if (next !== null && next !== hour) onChoose(next, 'slide')
  }
  const of = totals.get(hour)
  return (
    <div
      class="slider"
      role="slider"
      tabIndex={0}
      aria-label="Hour"
      aria-valuemin={0}
      aria-valuemax={slots.length - 1}
      aria-valuenow={Math.max(0, at)}
      aria-valuetext={`${hourText(hour)}: ${of ? [bytes(bytesOf(of)), ...counted('flows', of.flows, count)].join(', ') : 'no flows'}`}
      onKeyDown={onKeyDown}
      data-testid="hour-slider"
    >
      {children}
    </div>
  )
}

/** nearest is the hour at slot, or the next in direction where hours are left out. */
function nearest(slots: readonly Slot[], slot: number, direction: 1 | -1): number | null {
  for (let i = slot; i >= 0 && i < slots.length; i += direction) {
    const hour = slots[i]
    if (hour != null) return hour
  }
  return null
}

function HourTip({ hour, totals }: { hour: number; totals: HourTotals | undefined }) {
  if (!totals) return <strong>{hourShort(hour)}: no flows</strong>
  return (
    <>
      <strong>{hourText(hour)}</strong>
      <span>{bytes(bytesOf(totals))}</span>
      <span>{[...counted('flows', totals.flows, exact), ...counted('tuples', totals.tuples, exact)].join(', ')}</span>
    </>
  )
}

/** counted says how many things there are, where that is told. */
function counted(things: string, n: Int | undefined, write: (n: Int) => string): string[] {
  return n === undefined ? [] : [`${write(n)} ${things}`]
}

function Totals({ of, before }: { of: HourTotals | undefined; before: HourTotals | undefined }) {
  const { write, hours } = usePage()
  const of0: HourTotals = of ?? { hour: 0, tuples: 0, flows: 0, bytes_tx: 0, bytes_rx: 0 }
  const told = hours[0]
  const figure = (name: string, title: string, read: (of: HourTotals) => Int, show: (n: Int) => string) => (
    <div
      class="figure"
      title={`${title}: ${exact(read(of0))}${before ? `; the change is since ${hourText(before.hour)}` : ''}`}
    >
      <dt>{name}</dt>
      <dd data-testid={`total-${name.toLowerCase()}`}>{show(read(of0))}</dd>
      <dd class="delta">{before && of ? change(read(before), read(of)) : '–'}</dd>
    </div>
  )
  return (
    <dl
      class="totals"
      data-testid="totals"
      aria-label="Totals of the hour, and how far they are from the hour compared with"
    >
      {figure('Total', 'Bytes both ways', bytesOf, write)}
      {figure('Sent', 'Bytes that sources sent (bytes_tx)', (n) => n.bytes_tx, write)}
      {figure('Received', 'Bytes that sources received (bytes_rx)', (n) => n.bytes_rx, write)}
      {told?.flows !== undefined && figure('Flows', 'Flows that were added up', (n) => n.flows ?? 0, count)}
      {told?.tuples !== undefined &&
        figure('Tuples', 'Different src_app, dest_app, vpc_id', (n) => n.tuples ?? 0, count)}
    </dl>
  )
}
