import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ask, download, get, mostDownloaded, Refusal, Unreachable } from '../src/data/client'

const answer = (body: string, init: ResponseInit) => vi.stubGlobal('fetch', async () => new Response(body, init))

afterEach(() => vi.unstubAllGlobals())

test('an answer is read, and whether it was cut', async () => {
  answer('[18446744073709551615]', { headers: { 'Flowd-Truncated': 'true' } })
  expect(await ask('x')).toEqual({ data: [18446744073709551615n], truncated: true })
})

test('a refusal says what the server says, and when to come again', async () => {
  const detail = 'There are too many queries at once; max-queries is 8.'
  answer(JSON.stringify({ title: 'Service Unavailable', status: 503, detail }), {
    status: 503,
    headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '3' },
  })
  const refusal = await get('x').catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(Refusal)
  expect(refusal).toMatchObject({ message: detail, status: 503, retryAfter: 3 })
})

test('a refusal that is no problem names its status', async () => {
  answer('<h1>no</h1>', {
    status: 403,
    statusText: 'Forbidden',
    headers: { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' },
  })
  await expect(get('x')).rejects.toMatchObject({ message: 'The server answered 403 Forbidden.', retryAfter: null })
})

test('a server behind a proxy that does not reach it does not answer', async () => {
  answer('', { status: 502 })
  await expect(get('x')).rejects.toBeInstanceOf(Unreachable)
})

test('no connection, and an answer that breaks off, are no answer', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('Failed to fetch')
  })
  await expect(get('x')).rejects.toBeInstanceOf(Unreachable)
  const torn = new ReadableStream({ start: (stream) => stream.error(new TypeError('network error')) })
  vi.stubGlobal('fetch', async () => new Response(torn))
  await expect(get('x')).rejects.toBeInstanceOf(Unreachable)
})

test('who gives up is told so, and nobody is blamed', async () => {
  const stop = new AbortController()
  vi.stubGlobal('fetch', async (_url: string, { signal }: RequestInit) => {
    stop.abort()
    signal!.throwIfAborted()
  })
  await expect(get('x', { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' })
})

test('what is no JSON is said to be none', async () => {
  answer('<html>Sign in</html>', { headers: { 'Content-Type': 'text/html' } })
  await expect(ask('x')).rejects.toMatchObject({ message: expect.stringContaining('not JSON'), status: 200 })
})

test('who is told to wait knows for how long, and who is not knows that it would not help', () => {
  const waits = (status: number, after: number | null) => new Refusal(status, '', after).wait
  expect([waits(429, 7), waits(503, 1), waits(503, null), waits(403, 7), waits(400, null)]).toEqual([
    7,
    1,
    2,
    null,
    null,
  ])
})

describe('a token', () => {
  const asked: RequestInit[] = []
  beforeEach(() => {
    asked.length = 0
    vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
      asked.push(init)
      return new Response('[]')
    })
  })

  test('goes along as a header, to the server of the page and nowhere it leads to', async () => {
    await get('x', { token: 'flowd_secret' })
    await ask('x', { token: 'flowd_secret' })
    await download('x', { token: 'flowd_secret' }, () => undefined)
    const all = { headers: { Authorization: 'Bearer flowd_secret' }, mode: 'same-origin', redirect: 'error' }
    expect(asked).toEqual([all, all, all])
  })

  test('that there is none leaves a question as it was', async () => {
    await get('x', { token: null })
    await get('x')
    expect(asked).toEqual([{}, {}])
  })
})

describe('a download', () => {
  const chunks = (...sizes: number[]) =>
    new ReadableStream<Uint8Array>({
      start(stream) {
        for (const size of sizes) stream.enqueue(new Uint8Array(size))
        stream.close()
      },
    })

  test('is a file of what was sent, and says how much came', async () => {
    vi.stubGlobal('fetch', async () => new Response(chunks(3, 4), { headers: { 'Content-Type': 'text/csv' } }))
    const came: number[] = []
    const file = await download('x', {}, (bytes) => came.push(bytes))
    expect([file.size, file.type, came]).toEqual([7, 'text/csv', [3, 7]])
  })

  test('of nothing is an empty file', async () => {
    vi.stubGlobal('fetch', async () => new Response(null))
    expect((await download('x', {}, () => undefined)).size).toBe(0)
  })

  test('of too much is ended', async () => {
    const chunk = new Uint8Array(4_000_000)
    const enough = mostDownloaded / chunk.length
    let sent = 0
    const much = new ReadableStream<Uint8Array>({
      pull(stream) {
        if (++sent > 2 * enough) stream.close()
        else stream.enqueue(chunk.slice())
      },
    })
    vi.stubGlobal('fetch', async () => new Response(much))
    await expect(download('x', {}, () => undefined)).rejects.toThrow('larger than 256 MB')
    expect(sent).toBeLessThan(enough + 10)
  })

  test('that breaks off is no file', async () => {
    const torn = new ReadableStream<Uint8Array>({
      pull(stream) {
        stream.error(new TypeError('network error'))
      },
    })
    vi.stubGlobal('fetch', async () => new Response(torn))
    await expect(download('x', {}, () => undefined)).rejects.toThrow('broke off')
  })

  test('that is refused says why', async () => {
    answer('', { status: 403, statusText: 'Forbidden' })
    await expect(download('x', {}, () => undefined)).rejects.toBeInstanceOf(Refusal)
  })

  test('that somebody stops is stopped', async () => {
    const stop = new AbortController()
    const slow = new ReadableStream<Uint8Array>({
      pull(stream) {
        stop.abort()
        stream.error(new DOMException('aborted', 'AbortError'))
      },
    })
    vi.stubGlobal('fetch', async () => new Response(slow))
    await expect(download('x', { signal: stop.signal }, () => undefined)).rejects.toMatchObject({ name: 'AbortError' })
  })
})
