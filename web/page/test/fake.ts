import { expect } from 'vitest'
import { Refusal, Unreachable, type Answer, type How } from '../src/data/client'
import { Live, type Outside } from '../src/data/live'
import type { HourTotals } from '../src/data/hours'

/** Fake is a server, a clock and a tab in the hands of a test. */
export class Fake implements Outside {
  time = 0
  seen = true
  flows = 100
  down = false
  /** What the server refuses the metrics, or the hours, with. */
  metricsRefused: Refusal | null = null
  hoursRefused: Refusal | null = null
  /** The tokens that the server takes; it wants none where this is null. */
  tokens: string[] | null = null
  hoursAsked = 0
  hoursTake = 0
  list: HourTotals[] = []
  /** The token of each question that reached the server. */
  shown: (string | null)[] = []
  kept: string | null = null
  waiting: { at: number; callback: () => void }[] = []

  now = () => this.time
  visible = () => this.seen
  after = (ms: number, callback: () => void) => {
    const timer = { at: this.time + ms, callback }
    this.waiting.push(timer)
    return () => {
      this.waiting = this.waiting.filter((one) => one !== timer)
    }
  }
  memory = {
    read: () => this.kept,
    write: (token: string) => {
      this.kept = token
    },
    clear: () => {
      this.kept = null
    },
  }
  metrics = async (token: string | null) => {
    this.admit(token, this.metricsRefused)
    return `flowd_flows_received_total{outcome="accepted"} ${this.flows}\n`
  }
  hours = async (token: string | null) => {
    this.admit(token, this.hoursRefused)
    this.hoursAsked++
    this.time += this.hoursTake
    return this.list
  }
  ask = async <T>(url: string, { token = null }: How): Promise<Answer<T>> => {
    this.admit(token, null)
    return { data: url as T, truncated: false }
  }
  download = async (url: string, { token = null }: How) => {
    this.admit(token, null)
    return new Blob([url])
  }

  private admit(token: string | null, refused: Refusal | null): void {
    if (this.down) throw new Unreachable('no answer')
    this.shown.push(token)
    const known = this.tokens === null || (token !== null && this.tokens.includes(token))
    if (!known) throw new Refusal(401, token === null ? 'This takes a token.' : 'The token is not known.', null)
    if (refused) throw refused
  }

  /** next lets the next timer ring, and what it does happen; it returns how long that took. */
  async next(): Promise<number> {
    expect(this.waiting).toHaveLength(1)
    const timer = this.waiting.shift()!
    const waited = timer.at - this.time
    this.time = timer.at
    timer.callback()
    await settled()
    return waited
  }
}

// Everything that the fake answers is ready at once, so a turn of the event loop is enough.
export const settled = () => new Promise((resolve) => setTimeout(resolve))

export const hour: HourTotals = { hour: 1, tuples: 1, flows: 1, bytes_tx: 1, bytes_rx: 1 }

/** started is a page that has asked once. */
export async function started(change: (fake: Fake) => void = () => undefined): Promise<{ fake: Fake; live: Live }> {
  const fake = new Fake()
  fake.list = [hour]
  change(fake)
  const live = new Live(fake)
  live.wake()
  await settled()
  return { fake, live }
}
