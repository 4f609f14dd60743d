import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Int } from './data/exact'
import { finishedBefore, hourBefore, isRunning, progressOf, type HourTotals } from './data/hours'
import type { Live, Status } from './data/live'
import type { View } from './data/view'
import type { Go } from './hooks'

/** Page is what all parts of the page share. */
export interface Page {
  view: View
  go: Go
  live: Live
  status: Status
  hours: HourTotals[]
  /** The hour that is shown. */
  hour: number
  /** The hour of the clock. */
  now: number
  dark: boolean
  /** Writes bytes as the view wants them: "1.23 MB" or every digit. */
  write: (n: Int) => string
}

const context = createContext<Page | null>(null)

export const PageProvider = context.Provider

export function usePage(): Page {
  const page = useContext(context)
  if (!page) throw new Error('usePage is for parts of the page, below its provider')
  return page
}

/** comparedWith is the hour that the view compares hour with. */
export function comparedWith(view: View, hours: readonly HourTotals[], hour: number): number {
  if (view.against >= 0) return view.against
  return view.against === -1 ? hourBefore(hours, hour) : Math.max(0, hour + view.against)
}

/** comparisonOf is which two hours are compared; null where none is finished. One that still runs is not, unless one asks. */
export function comparisonOf({ view, hours, hour, now }: Page): { after: number; before: number } | null {
  const after = isRunning(hour, now) && !view.running ? finishedBefore(hours, hour, now) : hour
  if (after === null) return null
  const before = comparedWith(view, hours, after)
  // The hour that one chose to compare with may be the one that stands in for the running one.
  return { after, before: before === after ? hourBefore(hours, after) : before }
}

/** mostRefreshed is how many rows are read anew by themselves when their hours change; more would load both sides. */
export const mostRefreshed = 10_000

/** versionOf changes when what can be read of these hours changes; for very many rows, when somebody asks to. */
export function versionOf({ status, hours }: Page, rows: number, ...of: number[]): string {
  if (rows > mostRefreshed) return [eraOf(status), 'asked', status.refreshes].join(' ')
  const totals = of.map((hour) => hours.find((one) => one.hour === hour))
  return [eraOf(status), ...totals.map((one) => (one ? progressOf(one) : 0))].join(' ')
}

/** eraOf changes when what was asked before may be answered otherwise now: the server was away, the token is another. */
export function eraOf({ comebacks, access }: Status): string {
  return `${comebacks} ${access.taken}`
}
