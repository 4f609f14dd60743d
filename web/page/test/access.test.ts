import { describe, expect, test } from 'vitest'
import { Refusal } from '../src/data/client'
import type { Live } from '../src/data/live'
import { hour, settled, started, type Fake } from './fake'

const never = new AbortController().signal

/** guarded is a page of a server that wants the token good. */
const guarded = (change: (fake: Fake) => void = () => undefined) =>
  started((fake) => {
    fake.tokens = ['good']
    change(fake)
  })

async function offer(live: Live, token: string): Promise<void> {
  live.offer(token)
  await settled()
}

describe('where a token is wanted', () => {
  test('one question finds out, and then nothing is asked', async () => {
    const { fake, live } = await guarded()
    expect(live.status).toMatchObject({ hours: null, down: null, noRate: null })
    expect(live.status.access).toEqual({ held: false, wanted: { refused: null }, trying: false, taken: 0 })
    expect(fake.shown).toEqual([null])
    expect(fake.waiting).toHaveLength(0)
    // Neither a tab that is seen again nor a part of the page asks.
    live.wake()
    await expect(live.ask('x', never)).rejects.toMatchObject({ status: 401 })
    await expect(live.download('x', never, () => undefined)).rejects.toMatchObject({ status: 401 })
    await settled()
    expect(fake.shown).toEqual([null])
  })

  test('a token that is taken is kept for the tab, and goes along with all', async () => {
    const { fake, live } = await guarded()
    await offer(live, 'good')
    expect(live.status).toMatchObject({ hours: [hour] })
    expect(live.status.access).toEqual({ held: true, wanted: null, trying: false, taken: 1 })
    expect(fake.kept).toBe('good')
    await live.ask('x', never)
    await live.download('x', never, () => undefined)
    fake.flows += 4
    await fake.next()
    expect(live.status.rates).toEqual([2])
    expect(new Set(fake.shown.slice(1))).toEqual(new Set(['good']))
  })

  test('a wrong token is asked about once, said to be wrong, and not kept', async () => {
    const { fake, live } = await guarded()
    await offer(live, 'bad')
    expect(live.status.access).toEqual({
      held: false,
      wanted: { refused: 'The token is not known.' },
      trying: false,
      taken: 0,
    })
    expect([fake.shown, fake.waiting, fake.kept]).toEqual([[null, 'bad'], [], null])
    await offer(live, 'good')
    expect(live.status.access).toMatchObject({ held: true, wanted: null })
  })

  test('a token that may not read is as good as none', async () => {
    const detail = 'This takes the scope query, and agents has ingest; use another token.'
    const { fake, live } = await guarded()
    fake.hoursRefused = new Refusal(403, detail, null)
    await offer(live, 'good')
    expect(live.status.access).toMatchObject({ held: false, wanted: { refused: detail } })
    expect([fake.waiting, fake.kept]).toEqual([[], null])
  })

  test('that of the visit before is used, and dropped when it does not do any more', async () => {
    const { fake, live } = await guarded((of) => (of.kept = 'good'))
    expect(live.status).toMatchObject({ hours: [hour], access: { held: true, wanted: null } })
    fake.tokens = []
    await fake.next()
    expect(live.status).toMatchObject({ hours: [hour], rates: [], noRate: null, access: { held: false } })
    expect(live.status.access.wanted).toEqual({ refused: 'The token is not known.' })
    expect([fake.waiting, fake.kept]).toEqual([[], null])
  })

  test('a part of the page that is refused stops the rest, and what was read stays', async () => {
    const { fake, live } = await guarded((of) => (of.kept = 'good'))
    fake.tokens = ['better']
    await expect(live.ask('x', never)).rejects.toMatchObject({ status: 401 })
    expect(live.status).toMatchObject({ hours: [hour], access: { wanted: { refused: 'The token is not known.' } } })
    expect(fake.waiting).toHaveLength(0)
    await offer(live, 'better')
    expect(live.status.access).toEqual({ held: true, wanted: null, trying: false, taken: 1 })
    expect(fake.waiting).toHaveLength(1)
  })

  test('no more, who reads anew goes on', async () => {
    const { fake, live } = await guarded()
    await offer(live, 'bad')
    live.refresh()
    await settled()
    expect(live.status.access.wanted).toEqual({ refused: 'The token is not known.' })
    fake.tokens = null
    live.refresh()
    await settled()
    expect(live.status).toMatchObject({ hours: [hour], access: { held: false, wanted: null } })
    expect(fake.waiting).toHaveLength(1)
  })
})

describe('what was asked with another token', () => {
  /** held answers a question when the test says so. */
  const held = () => {
    let answer: () => void = () => undefined
    const until = new Promise<void>((resolve) => (answer = resolve))
    return { until, answer }
  }

  test('does not come back after it was forgotten', async () => {
    const { fake, live } = await guarded((of) => (of.kept = 'good'))
    const { until, answer } = held()
    const { hours } = fake
    fake.hours = async (token) => {
      if (token === 'good') await until
      return hours(token)
    }
    live.refresh()
    await settled()
    live.forget()
    await settled()
    expect(live.status).toMatchObject({ hours: null, access: { held: false, wanted: { refused: null } } })
    answer()
    await settled()
    expect(live.status).toMatchObject({ hours: null, access: { held: false, wanted: { refused: null } } })
    expect([fake.waiting, fake.kept]).toEqual([[], null])
  })

  test('does not speak against the next from a part of the page either', async () => {
    const { fake, live } = await guarded((of) => (of.kept = 'good'))
    const { until, answer } = held()
    const { ask } = fake
    fake.ask = async (url, how) => {
      await until
      return ask(url, how)
    }
    const asked = live.ask('x', never)
    fake.tokens = ['better']
    await offer(live, 'better')
    answer()
    await expect(asked).rejects.toMatchObject({ status: 401 })
    expect(live.status.access).toMatchObject({ held: true, wanted: null })
  })

  test('does not hold up or speak against the next', async () => {
    const { fake, live } = await guarded()
    const { until, answer } = held()
    const { hours } = fake
    fake.hours = async (token) => {
      if (token === 'bad') await until
      return hours(token)
    }
    await offer(live, 'bad')
    await offer(live, 'good')
    expect(live.status.access).toMatchObject({ held: true, wanted: null })
    answer()
    await settled()
    expect(live.status.access).toEqual({ held: true, wanted: null, trying: false, taken: 1 })
    expect(fake.waiting).toHaveLength(1)
  })
})

test('a token that is forgotten goes with what was read, and is not asked for where none is wanted', async () => {
  const { fake, live } = await started((of) => (of.kept = 'good'))
  await fake.next()
  live.forget()
  expect(live.status).toMatchObject({ hours: null, rates: [], access: { held: false } })
  await settled()
  expect(live.status).toMatchObject({ hours: [hour], access: { held: false, wanted: null } })
  expect(fake.kept).toBeNull()
  expect(fake.shown.at(-1)).toBeNull()
})

describe('a server that does not answer', () => {
  test('is told the token once it does', async () => {
    const { fake, live } = await guarded()
    fake.down = true
    await offer(live, 'good')
    expect(live.status).toMatchObject({ down: { nextTry: 2000 }, access: { trying: true } })
    fake.down = false
    await fake.next()
    expect(live.status).toMatchObject({ down: null, hours: [hour], access: { held: true, wanted: null } })
  })

  test('is noticed while a token is wanted, and wants one again when it is back', async () => {
    const { fake, live } = await guarded()
    fake.down = true
    live.refresh()
    await settled()
    expect(live.status.down).not.toBeNull()
    fake.down = false
    await fake.next()
    expect(live.status).toMatchObject({ down: null, access: { wanted: { refused: null } } })
    expect(fake.waiting).toHaveLength(0)
  })

  test('yet, for it reads what is on disk, is asked again about the token', async () => {
    const { fake, live } = await guarded()
    fake.hoursRefused = new Refusal(503, 'The server reads what is on disk.', 1)
    await offer(live, 'good')
    expect(live.status).toMatchObject({ refused: fake.hoursRefused, access: { trying: true } })
    fake.hoursRefused = null
    await fake.next()
    expect(live.status).toMatchObject({ refused: null, hours: [hour], access: { held: true } })
  })
})

describe('a server that wants to be left alone', () => {
  const slowed = new Refusal(429, 'Too many attempts.', 7)

  test('is, for as long as it says, and what was read stays', async () => {
    const { fake, live } = await guarded((of) => (of.kept = 'good'))
    fake.metricsRefused = slowed
    await fake.next()
    expect(live.status).toMatchObject({
      hours: [hour],
      paused: { until: 9000, detail: 'Too many attempts.' },
      down: null,
    })
    const asked = fake.shown.length
    for (let i = 0; i < 3; i++) {
      live.wake()
      live.refresh()
      await settled()
    }
    expect(fake.shown).toHaveLength(asked)
    fake.metricsRefused = null
    expect(await fake.next()).toBe(7000)
    expect(live.status).toMatchObject({ paused: null, hours: [hour] })
    expect(fake.shown.length).toBeGreaterThan(asked)
  })

  test('tries a token after that, once', async () => {
    const { fake, live } = await guarded()
    fake.tokens = null
    fake.hoursRefused = slowed
    await offer(live, 'bad')
    expect(live.status).toMatchObject({ paused: { until: 7000 }, access: { trying: true } })
    fake.tokens = ['good']
    fake.hoursRefused = null
    expect(await fake.next()).toBe(7000)
    expect(live.status).toMatchObject({
      paused: null,
      access: { trying: false, wanted: { refused: 'The token is not known.' } },
    })
    expect([fake.shown, fake.waiting]).toEqual([[null, 'bad', 'bad'], []])
  })

  test('is told another token at once, for that was not meant', async () => {
    const { fake, live } = await guarded()
    fake.tokens = null
    fake.hoursRefused = slowed
    await offer(live, 'bad')
    fake.hoursRefused = null
    await offer(live, 'good')
    expect(live.status).toMatchObject({ hours: [hour], paused: null, access: { held: true } })
    expect(fake.waiting).toHaveLength(1)
  })

  test('while a token is wanted goes back to wanting one', async () => {
    const { fake, live } = await guarded()
    fake.tokens = null
    fake.hoursRefused = slowed
    live.refresh()
    await settled()
    expect(live.status).toMatchObject({ paused: { until: 7000 }, access: { wanted: { refused: null } } })
    fake.tokens = ['good']
    expect(await fake.next()).toBe(7000)
    expect(live.status).toMatchObject({ paused: null, access: { wanted: { refused: null } } })
    expect(fake.waiting).toHaveLength(0)
  })

  test('for longer than a look away is not asked sooner for that', async () => {
    const { fake, live } = await guarded((of) => (of.kept = 'good'))
    fake.hoursRefused = slowed
    fake.metricsRefused = slowed
    await fake.next()
    fake.seen = false
    await fake.next()
    expect(fake.waiting).toHaveLength(0)
    fake.seen = true
    fake.hoursRefused = fake.metricsRefused = null
    live.wake()
    await settled()
    expect(live.status).toMatchObject({ paused: null })
  })
})

describe('a token without the scope of the metrics', () => {
  const refusal = new Refusal(403, 'This takes the scope metrics, and viewer has query.', null)

  test('has no rate, says why, and does not ask on', async () => {
    const { fake, live } = await guarded((of) => {
      of.kept = 'good'
      of.metricsRefused = refusal
    })
    expect(live.status).toMatchObject({ hours: [hour], rates: [], noRate: refusal, down: null })
    const asked = fake.shown.length
    await fake.next()
    expect(fake.shown).toHaveLength(asked)
  })

  test.each([
    ['somebody reads anew', async ({ live }: { live: Live }) => live.refresh()],
    ['there is another token', async ({ live }: { live: Live }) => live.offer('good')],
    [
      'the server was away',
      async ({ live, fake }: { live: Live; fake: Fake }) => {
        fake.down = true
        live.suspect()
        await settled()
        fake.down = false
        await fake.next()
        await fake.next()
      },
    ],
  ])('is looked at again when %s', async (_when, happen) => {
    const both = await guarded((of) => {
      of.kept = 'good'
      of.metricsRefused = refusal
    })
    both.fake.metricsRefused = null
    await happen(both)
    await settled()
    await both.fake.next()
    expect(both.live.status.noRate).toBeNull()
    expect(both.live.status.rates.length).toBeGreaterThan(0)
  })
})

test('metrics that alone want a token are not shown, and nothing else is held up', async () => {
  const { fake, live } = await started((of) => (of.metricsRefused = new Refusal(401, 'Sign in.', null)))
  expect(live.status).toMatchObject({ hours: [hour], noRate: { message: 'Sign in.' }, access: { wanted: null } })
  expect(fake.waiting).toHaveLength(1)
})
