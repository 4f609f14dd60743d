import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { RefObject } from 'preact'
import { Refusal } from './data/client'
import type { Live, Status } from './data/live'
import { hourOfClock, type HourTotals } from './data/hours'
import { groupOf, type Names } from './data/queries'
import { consistent, parseView, writeView, type Field, type View } from './data/view'

/**
 * Go changes the view. A step is a new entry of the browser's history; so is the first of many slides in a row, such as
 * a held arrow key, and the others overwrite it; a correction that nobody asked for is none.
 */
export type Go = (
  change: Partial<View> | ((view: View) => Partial<View>),
  how?: 'step' | 'slide' | 'correction',
) => void

const slideMillis = 1000

/** useView is the view of the address. */
export function useView(): [View, Go] {
  const [view, setView] = useState(() => parseView(location.hash))
  const current = useRef(view)
  const slidAt = useRef(-Infinity)

  const show = useCallback((next: View) => {
    current.current = next
    setView(next)
  }, [])
  useEffect(() => {
    // Back, forward, and a hand that edits the address.
    const read = () => show(parseView(location.hash))
    addEventListener('popstate', read)
    addEventListener('hashchange', read)
    return () => {
      removeEventListener('popstate', read)
      removeEventListener('hashchange', read)
    }
  }, [show])

  const go: Go = useCallback(
    (change, how = 'step') => {
      const changed = typeof change === 'function' ? change(current.current) : change
      const next = consistent({ ...current.current, ...changed })
      const address = writeView(next)
      if (address === writeView(current.current)) return
      const sliding = how === 'slide' && performance.now() - slidAt.current < slideMillis
      slidAt.current = how === 'slide' ? performance.now() : -Infinity
      if (sliding || how === 'correction') history.replaceState(null, '', address)
      else history.pushState(null, '', address)
      show(next)
    },
    [show],
  )
  return [view, go]
}

/** useStatus is the status of live, which is awake while somebody looks. */
export function useStatus(live: Live): Status {
  const [status, setStatus] = useState(live.status)
  useEffect(() => {
    const end = live.subscribe(() => setStatus(live.status))
    document.addEventListener('visibilitychange', live.wake)
    live.wake()
    return () => {
      document.removeEventListener('visibilitychange', live.wake)
      end()
    }
  }, [live])
  return status
}

/** About is what an answer is of, as it was known when the question was asked. It stays with the answer. */
export interface About {
  hour: number
  /** The hour that it is compared with. */
  before?: number
  /** What the hour carried. */
  totals?: HourTotals | undefined
}

/** Asked is where a question stands. Data stays while the next is asked, and when that fails. */
export interface Asked<T> {
  data: T | null
  truncated: boolean
  /** The question that data answers. */
  url: string | null
  /** What data is of. */
  about: About | null
  busy: boolean
  failure: string | null
  /** In how many seconds a question that failed is asked again by itself; null where it is not. */
  wait: number | null
  /** Whether data answers a question before this one, which is awaited or failed. */
  stale: boolean
  again: () => void
}

/** Known is what came of the questions so far; failure is of the question failed. */
type Known<T> = Omit<Asked<T>, 'again' | 'stale'> & { failed: string | null }

const nothing = {
  data: null,
  truncated: false,
  url: null,
  about: null,
  busy: false,
  failed: null,
  failure: null,
  wait: null,
}
const mostKept = 24
const largestKept = 5000

// Answers that were just seen, for the way back; oldest first.
const kept = new Map<string, Known<unknown>>()

function keep(key: string, known: Known<unknown>): void {
  if (!Array.isArray(known.data) || known.data.length > largestKept) return
  kept.set(key, known)
  if (kept.size > mostKept) kept.delete(kept.keys().next().value!)
}

/** forgetAnswers is for who forgets the token that they were read with. */
export function forgetAnswers(): void {
  kept.clear()
}

/**
 * useQuery asks url, and asks again when version changes: a word for all that the answer depends on. About is what the
 * answer will be of.
 */
export function useQuery<T>(live: Live, url: string | null, version: string, about: About | null = null): Asked<T> {
  const [known, setKnown] = useState<Known<T>>(nothing)
  const [attempt, setAttempt] = useState(0)
  const again = useCallback(() => setAttempt((n) => n + 1), [])

  useEffect(() => {
    if (url === null) {
      setKnown(nothing)
      return undefined
    }
    const key = `${version} ${url}`
    const before = kept.get(key) as Known<T> | undefined
    if (before) {
      setKnown(before)
      return undefined
    }
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    setKnown((state) => ({ ...state, busy: true }))
    live.ask<T>(url, stop.signal).then(
      (answer) => {
        if (stop.signal.aborted) return
        const next = { ...nothing, ...answer, url, about }
        keep(key, next)
        setKnown(next)
      },
      (error: Error) => {
        if (stop.signal.aborted) return
        const wait = error instanceof Refusal ? error.wait : null
        if (wait !== null) timer = setTimeout(again, 1000 * wait)
        setKnown((state) => ({ ...state, busy: false, failed: url, failure: error.message, wait }))
      },
    )
    return () => {
      stop.abort()
      clearTimeout(timer)
    }
  }, [live, url, version, attempt, again])
  // What is known may be of another question than the one that this rendering is for, which is asked after it.
  return useMemo(() => {
    const { failed, ...of } = known
    const failure = failed === url ? of.failure : null
    const stale = of.data !== null && url !== null && of.url !== url
    const busy = of.busy || (url !== null && of.url !== url && failure === null)
    return { ...of, failure, wait: failure === null ? null : of.wait, stale, busy, again }
  }, [known, url, again])
}

/** useWidth is the width of ref's element in CSS pixels, 0 until it is laid out. */
export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return undefined
    setWidth(element.clientWidth)
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [ref])
  return width
}

/** useDelayed is value once it has not changed for ms. */
export function useDelayed<T>(value: T, ms: number): T {
  const [delayed, setDelayed] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setDelayed(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return delayed
}

/** useGroup is groupOf, and the same array as long as it is the same grouping. */
export function useGroup(rows: readonly Names[] | null, otherwise: readonly Field[]): readonly Field[] {
  const group = groupOf(rows, otherwise)
  return useMemo(() => group, [group.join()])
}

/** useClock is the hour of the clock. */
export function useClock(): number {
  const [now, setNow] = useState(() => hourOfClock(Date.now()))
  useEffect(() => {
    // A computer that slept, or whose clock was set, is not told by a timer of an hour.
    const timer = setInterval(() => setNow(hourOfClock(Date.now())), 1000)
    return () => clearInterval(timer)
  }, [])
  return now
}
