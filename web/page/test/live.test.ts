import { describe, expect, test } from 'vitest'
import { Refusal } from '../src/data/client'
import { pauseAfter } from '../src/data/live'
import { hour, settled, started } from './fake'

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
    // Once more, as flows may have come in between the first hours and the first metrics.
    for (let i = 0; i < 10; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
    fake.flows++
    await fake.next()
    expect(fake.hoursAsked).toBe(3)
    fake.flows++
    for (let i = 0; i < 2; i++) await fake.next()
    expect(fake.hoursAsked).toBe(3)
    await fake.next()
    expect(fake.hoursAsked).toBe(4)
  })

  test('are asked again after a minute, as hours expire', async () => {
    const { fake } = await started()
    for (let i = 0; i < 3; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
    for (let i = 0; i < 30; i++) await fake.next()
    expect(fake.hoursAsked).toBe(3)
  })

  test('of an empty server are asked as soon as flows come in', async () => {
    const { fake, live } = await started((of) => (of.list = []))
    for (let i = 0; i < 3; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
    fake.flows++
    fake.list = [hour]
    await fake.next()
    expect(live.status.hours).toEqual([hour])
  })

  test('are asked by the clock where the metrics are refused', async () => {
    const { fake, live } = await started((of) => (of.metricsRefused = new Refusal(404, 'nothing', null)))
    for (let i = 0; i < 5; i++) await fake.next()
    expect(fake.hoursAsked).toBe(2)
    expect(live.status).toMatchObject({ down: null, rates: [], noRate: { message: 'nothing' } })
    expect(fake.shown).toHaveLength(3)
  })

  test('that take long are asked for less', async () => {
    const { fake } = await started((of) => {
      of.metricsRefused = new Refusal(403, 'This takes the scope metrics.', null)
      of.hoursTake = 1000
    })
    let waited = 0
    while (fake.hoursAsked === 1) waited += await fake.next()
    expect(waited).toBe(20_000)
  })

  test('that are refused say why, and the server is not down', async () => {
    const { fake, live } = await started(
      (of) => (of.hoursRefused = new Refusal(503, 'The server reads what is on disk.', 1)),
    )
    expect(live.status).toMatchObject({ hours: null, refused: fake.hoursRefused, down: null })
    fake.hoursRefused = null
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
