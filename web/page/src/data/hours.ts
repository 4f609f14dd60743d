import { add, type Int } from './exact'

/** HourTotals is a row of GET /hours. */
export interface HourTotals {
  hour: number
  /** How many tuples and flows there are, of all VPCs: a token that is bound to some is not told. */
  tuples?: number
  flows?: Int
  bytes_tx: Int
  bytes_rx: Int
  /** Set where the hour had expired before these flows came: they are a part of it alone. */
  expired_before?: boolean
}

/** Slot is a place on the axis of hours: an hour, or null where a long time without flows is left out. */
export type Slot = number | null

// Labels from here on are hours since the Unix epoch; the API's page says so.
const firstTime = 100_000
// Years of five digits are written otherwise, so their hours stay numbers where one writes them.
const firstOfYear10000 = 70_389_528
const highestHour = 2 ** 31 - 1
const longestGap = 72
const mostSlots = 50_000

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

export function isTime(hour: number): boolean {
  return hour >= firstTime
}

/** hourOfClock is the hour that a time in milliseconds of the epoch lies in. */
export function hourOfClock(ms: number): number {
  return Math.floor(ms / 3_600_000)
}

/** isRunning tells whether flows of hour are still to come, as now, the hour of the clock, is not past it. */
export function isRunning(hour: number, now: number): boolean {
  return isTime(hour) && hour >= now
}

function two(n: number): string {
  return String(n).padStart(2, '0')
}

/** hourText names an hour to people: "Mon 23 Nov 2026, 09:00 UTC", or "Hour 7". */
export function hourText(hour: number): string {
  if (!isTime(hour)) return `Hour ${hour}`
  const t = new Date(hour * 3_600_000)
  const day = `${days[t.getUTCDay()]} ${t.getUTCDate()} ${months[t.getUTCMonth()]} ${t.getUTCFullYear()}`
  return `${day}, ${two(t.getUTCHours())}:00 UTC`
}

/** hourShort is hourText without what the neighbourhood says: "23 Nov 09:00", or "7". */
export function hourShort(hour: number): string {
  if (!isTime(hour)) return String(hour)
  const t = new Date(hour * 3_600_000)
  return `${t.getUTCDate()} ${months[t.getUTCMonth()]} ${two(t.getUTCHours())}:00`
}

/** hourBeside is hourShort as it is read beside hour: "09:00" of the same day, "22 Nov 09:00" of another, "hour 7". */
export function hourBeside(other: number, hour: number): string {
  if (!isTime(other)) return `hour ${other}`
  const sameDay = isTime(hour) && Math.floor(other / 24) === Math.floor(hour / 24)
  return sameDay ? hourShort(other).split(' ').at(-1)! : hourShort(other)
}

/** hourInput writes an hour in the form that parseHour reads: "2026-11-23 09:00", or "7". */
export function hourInput(hour: number): string {
  return isTime(hour) && hour < firstOfYear10000
    ? new Date(hour * 3_600_000).toISOString().slice(0, 16).replace('T', ' ')
    : String(hour)
}

const writtenTime = /^(\d{4})-(\d\d)-(\d\d)(?:[ T]+(\d{1,2})(?::?\d\d(?::\d\d(?:\.\d+)?)?)?)?\s*(?:Z|UTC)?$/i

/** parseHour reads a number of an hour, or a UTC time within it; null for anything else. */
export function parseHour(text: string): number | null {
  const trimmed = text.trim()
  if (/^\d{1,10}$/.test(trimmed)) {
    const hour = Number(trimmed)
    return hour <= highestHour ? hour : null
  }
  const parts = writtenTime.exec(trimmed)
  if (!parts) return null
  const [year, month, day, hour] = [1, 2, 3, 4].map((i) => Number(parts[i] ?? 0)) as [number, number, number, number]
  const time = Date.UTC(year, month - 1, day, hour)
  // Date.UTC takes the 31st of February for the 3rd of March.
  const exists = hour < 24 && new Date(time).getUTCMonth() === month - 1 && new Date(time).getUTCDate() === day
  return exists && time >= firstTime * 3_600_000 ? time / 3_600_000 : null
}

/** slotsOf lays hours, ascending, out on an axis: hours without flows get their place, long gaps one place in all. */
export function slotsOf(hours: readonly number[]): Slot[] {
  const slots: Slot[] = []
  const span = hours.length ? hours[hours.length - 1]! - hours[0]! : 0
  const longest = span > mostSlots ? 1 : longestGap
  let last: number | null = null
  for (const hour of hours) {
    if (last !== null && hour - last > longest) slots.push(null)
    else for (let h = (last ?? hour) + 1; h < hour; h++) slots.push(h)
    slots.push(hour)
    last = hour
  }
  return slots
}

/** Window is the slots from lo up to, not including, hi that a chart shows. */
export interface Window {
  lo: number
  hi: number
}

/** windowOf shows span slots from the hour start, or the newest ones; or, if start is null, those around chosen. */
export function windowOf(slots: readonly Slot[], span: number, start: number | null, chosen: number): Window {
  const size = Math.min(span, slots.length)
  const last = slots.length - size
  let lo = last
  if (start !== null) {
    const at = slots.findIndex((hour) => hour !== null && hour >= start)
    lo = at < 0 ? last : at
  } else if (chosen >= 0 && chosen < last) {
    lo = chosen - Math.floor(size / 2)
  }
  lo = Math.max(0, Math.min(lo, last))
  return { lo, hi: lo + size }
}

/** startOf is the hour that makes windowOf begin at slot lo, or at the next that has an hour. */
export function startOf(slots: readonly Slot[], lo: number): number | null {
  for (let i = Math.max(0, Math.round(lo)); i < slots.length; i++) {
    const hour = slots[i]
    if (hour != null) return hour
  }
  return null
}

/** Tick is a label of the axis of hours. */
export interface Tick {
  slot: number
  label: string
}

const timeSteps = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2880, 8760, 17_520]
const plainSteps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]

/** ticksOf labels the slots of window with at most most labels: round hours, and where hours are left out. */
export function ticksOf(slots: readonly Slot[], window: Window, most: number): Tick[] {
  let ticks: Tick[] = []
  const first = slots.slice(window.lo, window.hi).find((hour) => hour !== null) ?? 0
  for (const step of isTime(first) ? timeSteps : plainSteps) {
    ticks = []
    for (let slot = window.lo; slot < window.hi; slot++) {
      const hour = slots[slot]
      if (hour === null) ticks.push({ slot, label: '⋯' })
      else if (hour !== undefined && hour % step === 0) ticks.push({ slot, label: tickLabel(hour, step) })
    }
    if (ticks.length <= most) return ticks
  }
  // Hours far from each other are round by no step.
  const every = Math.ceil(ticks.length / most)
  return ticks.filter((_, i) => i % every === 0)
}

function tickLabel(hour: number, step: number): string {
  if (!isTime(hour)) return String(hour)
  const t = new Date(hour * 3_600_000)
  const ofDay = t.getUTCHours()
  if (ofDay !== 0 && step < 24) return `${two(ofDay)}:00`
  const month = months[t.getUTCMonth()]!
  return step >= 2880 ? `${month} ${t.getUTCFullYear()}` : `${t.getUTCDate()} ${month}`
}

/** bytesOf is what an hour carried both ways. */
export function bytesOf(totals: { bytes_tx: Int; bytes_rx: Int }): Int {
  return add(totals.bytes_tx, totals.bytes_rx)
}

/** progressOf grows when what can be read of an hour does. */
export function progressOf(totals: HourTotals): Int {
  return totals.flows ?? add(bytesOf(totals), totals.tuples ?? 0)
}

/** hourBefore is the newest hour before hour that has flows; the one right before it where there is none. */
export function hourBefore(hours: readonly HourTotals[], hour: number): number {
  for (let i = hours.length - 1; i >= 0; i--) {
    if (hours[i]!.hour < hour) return hours[i]!.hour
  }
  return Math.max(0, hour - 1)
}

/** finishedBefore is the newest hour before hour that has flows and is not running; null where there is none. */
export function finishedBefore(hours: readonly HourTotals[], hour: number, now: number): number | null {
  return hours.findLast((of) => of.hour < hour && !isRunning(of.hour, now))?.hour ?? null
}

// Totals of the server stop here, where sums of this page go on.
const highestTotal = 2n ** 64n - 1n

/** saturated tells whether an hour carried more than its totals can say. */
export function saturated(totals: { bytes_tx: Int; bytes_rx: Int }): boolean {
  return totals.bytes_tx >= highestTotal || totals.bytes_rx >= highestTotal
}

/**
 * wholeOf is what an hour carried, to divide the rows of it by; null where its totals do not tell. Rows are read after
 * the totals, and may have more.
 */
export function wholeOf(totals: HourTotals | undefined, rows: Int): Int | null {
  if (!totals || saturated(totals)) return null
  const bytes = bytesOf(totals)
  return rows > bytes ? rows : bytes
}
