import { useMemo } from 'preact/hooks'
import { HourBars } from '../charts/hour-bars'
import { Overview } from '../charts/overview'
import type { Int } from '../data/exact'
import { bytes, change, count, exact } from '../data/format'
import {
  bytesOf,
  hourBeside,
  hourShort,
  hourText,
  isRunning,
  saturated,
  slotsOf,
  startOf,
  windowOf,
  type HourTotals,
  type Slot,
  type Window,
} from '../data/hours'
import { spans } from '../data/view'
import { Choice, HourField, IconButton } from '../parts/controls'
import { comparisonOf, usePage } from '../page'

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
  const ofHours = useMemo(() => slotsOf(hours.map((totals) => totals.hour)), [known])
  // The chosen hour has its place, with flows or without.
  const slots = useMemo(
    () =>
      ofHours.includes(hour) ? ofHours : slotsOf([...hours.map((totals) => totals.hour), hour].sort((a, b) => a - b)),
    [ofHours, ofHours.includes(hour) || hour],
  )
  const totals = useMemo(() => new Map(hours.map((of) => [of.hour, of])), [hours])
  const { lo, hi } = windowOf(slots, view.span, view.start, slots.indexOf(hour))
  const window = useMemo(() => ({ lo, hi }), [lo, hi])
  return useMemo(() => ({ slots, window, totals }), [slots, window, totals])
}

/** Hours is the picker: which hour, what it carried, and the hours around it. */
export function Hours({ axis }: { axis: Axis }) {
  const page = usePage()
  const { view, go, hour, now, dark } = page
  const { slots, window, totals } = axis
  const compared = comparisonOf(page)
  const choose = (next: number, how: 'step' | 'slide' = 'step') =>
    go({ hour: next, start: inSight(axis, next) ? view.start : null }, how)
  const zoom = ({ lo, hi }: Window) => go({ start: startOf(slots, lo), span: hi - lo })
  return (
    <section class="panel hours" aria-labelledby="hour-name" data-testid="hours">
      <div class="hours-head">
        <Chosen onChoose={choose} />
        <Totals of={totals.get(hour)} before={compared?.after === hour ? totals.get(compared.before) : undefined} />
      </div>
      <Slider axis={axis} onChoose={choose}>
        <HourBars
          {...{ slots, window, totals, now, dark }}
          chosen={hour}
          compared={view.tab === 'changes' && compared ? compared.before : -1}
          onChoose={choose}
          onZoom={zoom}
          tip={(of) => <HourTip hour={of} totals={totals.get(of)} />}
        />
      </Slider>
      {window.hi - window.lo < slots.length && (
        <Overview
          {...{ slots, window, totals, now, dark }}
          onMove={(lo) => go({ start: startOf(slots, lo) }, 'slide')}
        />
      )}
    </section>
  )
}

function inSight({ slots, window }: Axis, hour: number): boolean {
  const slot = slots.indexOf(hour)
  return slot >= window.lo && slot < window.hi
}

function Chosen({ onChoose }: { onChoose: (hour: number, how?: 'step' | 'slide') => void }) {
  const { view, go, hours, hour, now } = usePage()
  const newest = hours.at(-1)?.hour ?? hour
  const before = hours.findLast((of) => of.hour < hour)?.hour
  const after = hours.find((of) => of.hour > hour)?.hour
  const running = isRunning(hour, now)
  const part = hours.find((of) => of.hour === hour)?.expired_before ?? false
  return (
    <div class="chosen">
      <p class="eyebrow" data-testid="hour-kind">
        {running ? 'Hour, still running: what is shown is so far' : 'Hour'}
        {part && ', of which a part is left: its earlier flows have expired'}
      </p>
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
        {running && (
          <label class="check">
            <input
              type="checkbox"
              checked={view.running}
              onChange={(event) => go({ running: event.currentTarget.checked })}
              data-testid="compare-running"
            />
            Compare it so far
          </label>
        )}
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
  const { hour, now } = usePage()
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
      aria-valuetext={`${hourText(hour)}: ${of ? [...said(of, now), ...counted('flows', of.flows, count)].join(', ') : 'no flows'}`}
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

/** said is what an hour carried, and how far that is the whole. */
function said(of: HourTotals, now: number): string[] {
  return [
    (saturated(of) ? 'at least ' : '') + bytes(bytesOf(of)),
    ...(isRunning(of.hour, now) ? ['so far'] : []),
    ...(of.expired_before ? ['a part of it'] : []),
  ]
}

function HourTip({ hour, totals }: { hour: number; totals: HourTotals | undefined }) {
  const { now } = usePage()
  if (!totals) return <strong>{hourShort(hour)}: no flows</strong>
  return (
    <>
      <strong>{hourText(hour)}</strong>
      <span>{said(totals, now).join(', ')}</span>
      <span>{[...counted('flows', totals.flows, exact), ...counted('tuples', totals.tuples, exact)].join(', ')}</span>
    </>
  )
}

/** counted says how many things there are, where that is told. */
function counted(things: string, n: Int | undefined, write: (n: Int) => string): string[] {
  return n === undefined ? [] : [`${write(n)} ${things}`]
}

interface FigureProps {
  name: string
  title: string
  read: (of: HourTotals) => Int
  show: (n: Int) => string
  of: HourTotals | undefined
  before: HourTotals | undefined
  /** Whether it is a sum of bytes, which the server stops at the most that fits. */
  bytes?: boolean
}

/** Figure is one total, and how far it is from that of the hour compared with. */
function Figure({ name, title, read, show, of, before, bytes: summed = false }: FigureProps) {
  const { hour, now } = usePage()
  const n = of ? read(of) : 0
  const atLeast = summed && of !== undefined && saturated(of)
  const known = of && before && !(summed && (saturated(of) || saturated(before)))
  const parts = [of?.expired_before, before?.expired_before].some(Boolean)
  const told = atLeast ? 'at least, as the server’s sum stops at 2^64−1: ' : ''
  const against = before ? `; the change is against ${hourText(before.hour)}` : ''
  return (
    <div class="figure" title={`${title}: ${told}${exact(n)}${known ? against : ''}`}>
      <dt>{name}</dt>
      <dd data-testid={`total-${name.toLowerCase()}`}>
        {atLeast && '≥ '}
        {show(n)}
      </dd>
      <dd class="delta" data-testid={`delta-${name.toLowerCase()}`}>
        {known
          ? `${change(read(before), n)} vs ${hourBeside(before.hour, hour)}${parts ? ', in part' : ''}`
          : atLeast
            ? 'more than can be summed'
            : isRunning(hour, now)
              ? 'so far'
              : '–'}
      </dd>
    </div>
  )
}

function Totals({ of, before }: { of: HourTotals | undefined; before: HourTotals | undefined }) {
  const { write, hours } = usePage()
  const told = hours[0]
  const both = { of, before }
  return (
    <dl
      class="totals"
      data-testid="totals"
      aria-label="Totals of the hour, and how far they are from the hour compared with"
    >
      <Figure name="Total" title="Bytes both ways" read={bytesOf} show={write} bytes {...both} />
      <Figure
        name="Sent"
        title="Bytes that sources sent (bytes_tx)"
        read={(n) => n.bytes_tx}
        show={write}
        bytes
        {...both}
      />
      <Figure
        name="Received"
        title="Bytes that sources received (bytes_rx)"
        read={(n) => n.bytes_rx}
        show={write}
        bytes
        {...both}
      />
      {told?.flows !== undefined && (
        <Figure name="Flows" title="Flows that were added up" read={(n) => n.flows ?? 0} show={count} {...both} />
      )}
      {told?.tuples !== undefined && (
        <Figure
          name="Tuples"
          title="Different src_app, dest_app, vpc_id"
          read={(n) => n.tuples ?? 0}
          show={count}
          {...both}
        />
      )}
    </dl>
  )
}
