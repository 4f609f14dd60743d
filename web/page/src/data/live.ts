// One poll tells three things: whether the server answers, how many flows it takes, and whether there is anything new
// to read. So the hours are asked again only after flows came in, or after a while, for hours expire.

import { acceptedFlows, hoursUrl, metricsUrl } from './queries'
import { ask, get, patience, Refusal } from './client'
import type { HourTotals } from './hours'

const every = 2000
const hoursEvery = 6000
const hoursAtLeastEvery = 60_000
const longestPause = 30_000
const samplesKept = 60

/** Status is what the polls found. It is replaced, never changed. */
export interface Status {
  /** Null until the hours arrived once. */
  hours: HourTotals[] | null
  /** Accepted flows per second at each poll, oldest first; empty where the metrics cannot be read. */
  rates: number[]
  /** Why the hours cannot be read though the server answers. */
  refused: string | null
  /** Since when the server does not answer, and when it will be asked again, in milliseconds of the epoch. */
  down: { since: number; nextTry: number } | null
  /** How often the server came back; who holds a failure asks again when this changes. */
  comebacks: number
  /** How often somebody asked to read anew. */
  refreshes: number
}

/** Outside is what Live needs of the browser; tests bring their own. */
export interface Outside {
  now: () => number
  visible: () => boolean
  /** after calls back once, after ms; what it returns takes that back. */
  after: (ms: number, callback: () => void) => () => void
  metrics: () => Promise<string>
  hours: () => Promise<HourTotals[]>
}

export const browser: Outside = {
  now: () => Date.now(),
  visible: () => document.visibilityState === 'visible',
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  metrics: async () => (await get(metricsUrl, AbortSignal.timeout(patience))).body,
  hours: async () => (await ask<HourTotals[]>(hoursUrl, AbortSignal.timeout(patience))).data,
}

/** pauseAfter is how long to wait after so many failures in a row, in milliseconds: 2, 4, 8, 16, 30 s. */
export function pauseAfter(failures: number): number {
  return Math.min(every * 2 ** Math.max(0, failures - 1), longestPause)
}

export class Live {
  status: Status = { hours: null, rates: [], refused: null, down: null, comebacks: 0, refreshes: 0 }
  private readonly outside: Outside
  private readonly listeners = new Set<() => void>()
  private cancel: () => void = () => undefined
  private asking = false
  private failures = 0
  private last: { flows: number; at: number } | null = null
  private hoursAt = -Infinity
  private hoursOutdated = true

  constructor(outside: Outside = browser) {
    this.outside = outside
  }

  /** subscribe calls listener after every change of status; what it returns ends that. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /**
   * wake polls at once: at the start, when the tab is seen again, and when somebody asks to. While nobody looks, nothing
   * is asked.
   */
  wake = (): void => {
    if (!this.outside.visible() || this.asking) return
    this.cancel()
    void this.poll()
  }

  /** refresh reads the hours anew as well. */
  refresh = (): void => {
    this.hoursAt = -Infinity
    this.hoursOutdated = true
    this.change({ refreshes: this.status.refreshes + 1 })
    this.wake()
  }

  /** suspect is for who got no answer: the next poll finds out whether nobody does. */
  suspect = (): void => {
    if (!this.status.down) this.wake()
  }

  private change(change: Partial<Status>): void {
    this.status = { ...this.status, ...change }
    for (const listener of this.listeners) listener()
  }

  private async poll(): Promise<void> {
    this.asking = true
    try {
      await this.readMetrics()
      await this.readHours()
      this.answered()
    } catch {
      this.unanswered()
    }
    this.asking = false
    this.cancel = this.outside.after(this.failures ? pauseAfter(this.failures) : every, this.wake)
  }

  private async readMetrics(): Promise<void> {
    let flows: number | null = null
    try {
      flows = acceptedFlows(await this.outside.metrics())
    } catch (error) {
      // A server that refuses its metrics answers; there is no rate then, and the hours are asked by the clock.
      if (!(error instanceof Refusal)) throw error
    }
    const at = this.outside.now()
    if (flows === null) {
      this.last = null
      this.hoursOutdated = true
      if (this.status.rates.length > 0) this.change({ rates: [] })
      return
    }
    const last = this.last
    this.last = { flows, at }
    if (last?.flows !== flows) this.hoursOutdated = true
    // A counter that went back is of a server that was started anew; the first difference after it counts.
    if (last && flows >= last.flows && at > last.at) {
      const rate = ((flows - last.flows) * 1000) / (at - last.at)
      this.change({ rates: [...this.status.rates, rate].slice(-samplesKept) })
    }
  }

  private async readHours(): Promise<void> {
    const age = this.outside.now() - this.hoursAt
    // Whoever posts the first flow wants to see it.
    const soon = this.status.hours?.length ? hoursEvery : every
    if (!(this.hoursOutdated && age >= soon) && age < hoursAtLeastEvery && !this.status.down) return
    try {
      const hours = await this.outside.hours()
      this.hoursAt = this.outside.now()
      this.hoursOutdated = false
      this.change({ hours, refused: null })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.change({ refused: error.message })
    }
  }

  private answered(): void {
    this.failures = 0
    if (this.status.down) this.change({ down: null, comebacks: this.status.comebacks + 1 })
  }

  private unanswered(): void {
    this.failures++
    this.last = null
    const now = this.outside.now()
    this.change({
      down: { since: this.status.down?.since ?? now, nextTry: now + pauseAfter(this.failures) },
      rates: [],
    })
  }
}
