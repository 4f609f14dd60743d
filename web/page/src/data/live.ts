// One poll tells three things: whether the server answers, how many flows it takes, and whether there is anything new
// to read. So the hours are asked again only after flows came in, or after a while, for hours expire.
//
// What the server wants to see of a token is known here too, so every question goes through here: while a token is
// wanted nothing is asked, as each question without one counts against the address that it comes from.

import { acceptedFlows, hoursUrl, metricsUrl } from './queries'
import { ask, download, get, patience, Refusal, Unreachable, type Answer, type How } from './client'
import type { HourTotals } from './hours'
import { tabMemory, type Memory } from './token'

const every = 2000
const hoursEvery = 6000
const hoursAtLeastEvery = 60_000
// For a token that is bound to VPCs the hours are added up when they are asked for. That may take its time, and polls
// should not keep a server at it.
const patienceWithToken = 60_000
const restAfterHours = 20 // times as long as they took
const longestPause = 30_000
const samplesKept = 60

/** Access is how the page stands with tokens. It is replaced, never changed. */
export interface Access {
  /** Whether a token goes along with what is asked. */
  held: boolean
  /** Set while nothing is asked, as the server wants a token: why the last one was not taken, null where there was none. */
  wanted: { refused: string | null } | null
  /** Whether a token was entered that the server has not taken yet. */
  trying: boolean
  /** How often a token was taken; who holds an answer, or a failure, asks again when this changes. */
  taken: number
}

/** Status is what the polls found. It is replaced, never changed. */
export interface Status {
  /** Null until the hours arrived once, and after the token was forgotten. */
  hours: HourTotals[] | null
  /** Accepted flows per second at each poll, oldest first; empty where the metrics cannot be read. */
  rates: number[]
  /** Why there are no rates though the server answers; null where there are, or will be. */
  noRate: Refusal | null
  /** Why the hours cannot be read though the server answers. */
  refused: Refusal | null
  /** Since when the server does not answer, and when it will be asked again, in milliseconds of the epoch. */
  down: { since: number; nextTry: number } | null
  /** Until when the server wants to be left alone, in milliseconds of the epoch, and what it says of it. */
  paused: { until: number; detail: string } | null
  access: Access
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
  memory: Memory
  metrics: (token: string | null) => Promise<string>
  hours: (token: string | null) => Promise<HourTotals[]>
  ask: <T>(url: string, how: How) => Promise<Answer<T>>
  download: typeof download
}

export const browser: Outside = {
  now: () => Date.now(),
  visible: () => document.visibilityState === 'visible',
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  memory: tabMemory,
  metrics: async (token) => (await get(metricsUrl, { token, signal: AbortSignal.timeout(patience) })).body,
  hours: async (token) => {
    const signal = AbortSignal.timeout(token === null ? patience : patienceWithToken)
    return (await ask<HourTotals[]>(hoursUrl, { token, signal })).data
  },
  ask,
  download,
}

/** pauseAfter is how long to wait after so many failures in a row, in milliseconds: 2, 4, 8, 16, 30 s. */
export function pauseAfter(failures: number): number {
  return Math.min(every * 2 ** Math.max(0, failures - 1), longestPause)
}

export class Live {
  status: Status
  private readonly outside: Outside
  private readonly listeners = new Set<() => void>()
  private cancel: () => void = () => undefined
  private asking = false
  private failures = 0
  private last: { flows: number; at: number } | null = null
  private hoursAt = -Infinity
  private hoursTook = 0
  private hoursOutdated = true
  private token: string | null
  /** Changes with the token: what was asked before that has no say any more. */
  private turn = 0

  constructor(outside: Outside = browser) {
    this.outside = outside
    this.token = outside.memory.read()
    const access = { held: this.token !== null, wanted: null, trying: false, taken: 0 }
    const nothing = { hours: null, rates: [], noRate: null, refused: null, down: null, paused: null }
    this.status = { ...nothing, access, comebacks: 0, refreshes: 0 }
  }

  /** subscribe calls listener after every change of status; what it returns ends that. */
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /**
   * wake polls at once: at the start, when the tab is seen again, and when somebody asks to. While nobody looks, nothing
   * is asked; nor while a token is wanted, or the server wants to be left alone.
   */
  wake = (): void => {
    if (!this.outside.visible() || this.asking || this.locked()) return
    this.cancel()
    const wait = (this.status.paused?.until ?? -Infinity) - this.outside.now()
    if (wait > 0) this.cancel = this.outside.after(wait, this.wake)
    else void this.poll()
  }

  /** refresh reads the hours anew as well, and tries what was refused. */
  refresh = (): void => {
    this.hoursAt = -Infinity
    this.hoursOutdated = true
    this.change({ refreshes: this.status.refreshes + 1, noRate: null })
    // The server may want no token any more.
    if (this.locked() && !this.asking) void this.poll()
    else this.wake()
  }

  /** suspect is for who got no answer: the next poll finds out whether nobody does. */
  suspect = (): void => {
    if (this.status.down) return
    // Where there are no metrics to ask for, the hours tell.
    this.hoursAt = -Infinity
    this.wake()
  }

  /** offer tries a token. It is kept once the server took it. */
  offer = (token: string): void => {
    this.enter(token, { trying: true })
  }

  /** forget drops the token and what was read with it. */
  forget = (): void => {
    this.outside.memory.clear()
    this.enter(null, { held: false, trying: false })
  }

  /** ask is the client's, with what the server wants to see. While a token is wanted it is refused here. */
  ask = <T>(url: string, signal: AbortSignal): Promise<Answer<T>> =>
    this.question((token) => this.outside.ask<T>(url, { token, signal }))

  /** download is the client's, likewise. */
  download = (url: string, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<Blob> =>
    this.question((token) => this.outside.download(url, { token, signal }, onBytes))

  private async question<T>(put: (token: string | null) => Promise<T>): Promise<T> {
    const { token, turn } = this
    if (this.status.access.wanted) throw new Refusal(401, 'The server wants a token.', null)
    try {
      return await put(token)
    } catch (error) {
      if (error instanceof Unreachable) this.suspect()
      if (error instanceof Refusal && error.status === 401 && turn === this.turn) this.lock(error)
      throw error
    }
  }

  private change(change: Partial<Status>): void {
    this.status = { ...this.status, ...change }
    for (const listener of this.listeners) listener()
  }

  /** enter changes the token by hand, and polls with it. */
  private enter(token: string | null, access: Partial<Access>): void {
    this.changeToken(token)
    this.hoursAt = -Infinity
    this.hoursOutdated = true
    const forgotten = token === null ? { hours: null, rates: [] } : {}
    const anew = { noRate: null, refused: null, paused: null, ...forgotten }
    this.change({ ...anew, access: { ...this.status.access, ...access } })
    this.wake()
  }

  /** lock drops the token, as it does not do, and asks nothing until there is another. */
  private lock(refusal: Refusal): void {
    const { access } = this.status
    // What is said of a question without a token is for programs.
    const refused = this.token === null ? (access.wanted?.refused ?? null) : refusal.message
    this.outside.memory.clear()
    this.changeToken(null)
    const wanted = { held: false, trying: false, wanted: { refused } }
    this.change({ rates: [], noRate: null, down: null, paused: null, access: { ...access, ...wanted } })
  }

  /** changeToken also leaves the poll that is under way, if one is, to itself. */
  private changeToken(token: string | null): void {
    this.token = token
    this.turn++
    this.cancel()
    this.asking = false
    this.failures = 0
    this.last = null
  }

  /** locked tells whether to wait for a token, and not for the server's word. */
  private locked(): boolean {
    const { access, down, paused } = this.status
    return access.wanted !== null && !access.trying && down === null && paused === null
  }

  private async poll(): Promise<void> {
    const { turn } = this
    this.asking = true
    try {
      // Where it is not known that the hours can be read, they come first, so that a token is asked for once.
      const first = this.status.hours === null || this.status.access.wanted !== null
      if (first) await this.readHours()
      if (turn === this.turn) await this.readMetrics()
      if (turn === this.turn && !first) await this.readHours()
      if (turn === this.turn) this.answered()
    } catch (error) {
      if (turn === this.turn) this.unanswered(error)
    }
    // With another token there is another poll.
    if (turn !== this.turn) return
    this.asking = false
    this.rest()
  }

  private async readMetrics(): Promise<void> {
    const { token, turn } = this
    let flows: number | null = null
    try {
      // What the server does not show it will not show a moment later.
      if (this.status.noRate === null) flows = acceptedFlows(await this.outside.metrics(token))
    } catch (error) {
      // A server that refuses its metrics answers; there is no rate then, and the hours are asked by the clock.
      if (!(error instanceof Refusal) || error.status === 429) throw error
      if (turn !== this.turn) return
      if (error.status < 500) this.change({ noRate: error })
      // Whether a token is wanted at all the hours tell.
      if (error.status === 401) this.hoursAt = -Infinity
    }
    if (turn !== this.turn) return
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
    const { token, turn } = this
    const begun = this.outside.now()
    const age = begun - this.hoursAt
    // Whoever posts the first flow wants to see it.
    const soon = this.status.hours?.length ? Math.max(hoursEvery, restAfterHours * this.hoursTook) : every
    if (!(this.hoursOutdated && age >= soon) && age < hoursAtLeastEvery && !this.status.down) return
    try {
      const hours = await this.outside.hours(token)
      if (turn !== this.turn) return
      this.hoursAt = this.outside.now()
      this.hoursTook = this.hoursAt - begun
      this.hoursOutdated = false
      this.change({ hours, refused: null })
      this.take()
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 429) throw error
      if (turn !== this.turn) return
      // A token that may not read is as good as none.
      if (error.status === 401 || (error.status === 403 && token !== null)) this.lock(error)
      else this.change({ refused: error })
    }
  }

  /** take notes that the hours could be read, with this token or, by now, without. */
  private take(): void {
    const { access } = this.status
    if (!access.wanted && !access.trying) return
    if (this.token !== null) this.outside.memory.write(this.token)
    this.change({ access: { held: this.token !== null, wanted: null, trying: false, taken: access.taken + 1 } })
  }

  private answered(): void {
    this.failures = 0
    if (this.status.paused) this.change({ paused: null })
    if (this.status.down) this.change({ down: null, noRate: null, comebacks: this.status.comebacks + 1 })
  }

  private unanswered(error: unknown): void {
    const now = this.outside.now()
    this.last = null
    if (error instanceof Refusal) {
      this.answered()
      const until = now + Math.max(every, 1000 * (error.wait ?? 0))
      this.change({ paused: { until, detail: error.message }, rates: [] })
      return
    }
    this.failures++
    this.change({
      down: { since: this.status.down?.since ?? now, nextTry: now + pauseAfter(this.failures) },
      paused: null,
      rates: [],
    })
  }

  /** rest waits for the next poll. */
  private rest(): void {
    const { paused } = this.status
    const wait = paused ? paused.until - this.outside.now() : this.failures ? pauseAfter(this.failures) : every
    this.cancel = this.outside.after(wait, this.wake)
  }
}
