import { afterEach, expect, test, vi } from 'vitest'
import { ask, get, Refusal, Unreachable } from '../src/data/client'

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
  await expect(get('x', stop.signal)).rejects.toMatchObject({ name: 'AbortError' })
})

test('what is no JSON is said to be none', async () => {
  answer('<html>Sign in</html>', { headers: { 'Content-Type': 'text/html' } })
  await expect(ask('x')).rejects.toMatchObject({ message: expect.stringContaining('not JSON'), status: 200 })
})
