import { describe, expect, test } from 'vitest'
import { Refusal, Unreachable } from '../src/data/client'
import { Live, pauseAfter, type Outside } from '../src/data/live'
import type { HourTotals } from '../src/data/hours'

/** Fake is a server, a clock and a tab in the hands of a test. */
class Fake implements Outside {
  time = 0
  seen = true
  flows = 100
  down = false
  metricsRefused = false
  hoursRefused = false
  hoursAsked = 0
  list: HourTotals[] = []
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
  metrics = async () => {
    if (this.down) throw new Unreachable('no answer')
    if (this.metricsRefused) throw new Refusal(403, 'not for you', null)
    return `flowd_flows_received_total{outcome="accepted"} ${this.flows}\n`
  }
  hours = async () => {
    if (this.down) throw new Unreachable('no answer')
    if (this.hoursRefused) throw new Refusal(403, 'Hours need a token.', null)
    this.hoursAsked++
    return this.list
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
const settled = () => new Promise((resolve) => setTimeout(resolve))

const hour: HourTotals = { hour: 1, tuples: 1, flows: 1, bytes_tx: 1, bytes_rx: 1 }

async function started(change: (fake: Fake) => void = () => undefined): Promise<{ fake: Fake; live: Live }> {
  const fake = new Fake()
  fake.list = [hour]
  change(fake)
  const live = new Live(fake)
  live.wake()
  await settled()
  return { fake, live }
}

test('the rate is what came since the poll before', async () => {
  const { fake, live } = await started()
  expect(live.status.rates).toEqual([])
  fake.flows += 500
  await fake.next()
  await fake.next()
  expect(live.status.rates).toEqual([250, 0])
})

test('a server that was started anew does not count backwards', async () => {
  const { fake, live } = await started()
  fake.flows = 10
  await fake.next()
  expect(live.status.rates).toEqual([])
  fake.flows = 30
  await fake.next()
  expect(live.status.rates).toEqual([10])
})

describe('the hours', () => {
  test('are asked again after flows came in, not sooner than every six seconds', async () => {
    const { fake, live } = await started()
    expect(live.status.hours).toEqual([hour])
    for (let i = 0; i < 10; i++) await fake.next()
    expect(fake.hoursAsked).toBe(1)
    fake.flows++
    await fake.next()
    expect(fake.hoursAsked).toBe(2)
    fake.flows++
    for (let i = 0; i < 2; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
    await fake.next()
    expect(fake.hoursAsked).toBe(3)
  })

  test('are asked again after a minute, as hours expire', async () => {
    const { fake } = await started()
    for (let i = 0; i < 30; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
  })

  test('of an empty server are asked as soon as flows come in', async () => {
    const { fake, live } = await started((of) => (of.list = []))
    await fake.next()
    expect(fake.hoursAsked).toBe(1)
    fake.flows++
    fake.list = [hour]
    await fake.next()
    expect(live.status.hours).toEqual([hour])
  })

  test('are asked by the clock where the metrics are refused', async () => {
    const { fake, live } = await started((of) => (of.metricsRefused = true))
    for (let i = 0; i < 5; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
    expect(live.status).toMatchObject({ down: null, rates: [] })
  })

  test('that are refused say why, and the server is not down', async () => {
    const { fake, live } = await started((of) => (of.hoursRefused = true))
    expect(live.status).toMatchObject({ hours: null, refused: 'Hours need a token.', down: null })
    fake.hoursRefused = false
    await fake.next()
    expect(live.status).toMatchObject({ hours: [hour], refused: null })
  })
})

describe('a server that does not answer', () => {
  test('is asked ever more rarely, and what was read stays', async () => {
    const { fake, live } = await started()
    fake.down = true
    await fake.next()
    expect(live.status).toMatchObject({ hours: [hour], down: { since: 2000, nextTry: 4000 } })
    const waits = []
    for (let i = 0; i < 6; i++) waits.push(await fake.next())
    expect(waits).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000])
    expect(live.status.down!.since).toBe(2000)
  })

  test('comes back by itself, and its hours are read at once', async () => {
    const { fake, live } = await started()
    fake.down = true
    await fake.next()
    await fake.next()
    fake.down = false
    const asked = fake.hoursAsked
    await fake.next()
    expect(live.status).toMatchObject({ down: null, comebacks: 1 })
    expect(fake.hoursAsked).toBe(asked + 1)
    expect(await fake.next()).toBe(2000)
  })

  test('is noticed when somebody else got no answer', async () => {
    const { fake, live } = await started()
    fake.down = true
    live.suspect()
    await settled()
    expect(live.status.down).not.toBeNull()
    expect(fake.waiting).toHaveLength(1)
  })
})

test('nothing is asked while nobody looks', async () => {
  const { fake, live } = await started()
  fake.seen = false
  await fake.next()
  expect(fake.waiting).toHaveLength(0)
  live.wake()
  await settled()
  expect(fake.waiting).toHaveLength(0)
  fake.seen = true
  live.wake()
  await settled()
  expect(fake.waiting).toHaveLength(1)
})

test('who listens is told, until they stop', async () => {
  const { fake, live } = await started()
  let told = 0
  const end = live.subscribe(() => told++)
  fake.flows += 4
  await fake.next()
  expect(told).toBe(1)
  end()
  fake.flows += 4
  await fake.next()
  expect(told).toBe(1)
})

test('pauses grow, and have an end', () => {
  expect([0, 1, 2, 3, 4, 5, 50].map(pauseAfter)).toEqual([2000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
})
