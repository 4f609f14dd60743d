import { parseExact } from './exact'

/** Answer is a body that was read, and whether limit cut it. */
export interface Answer<T> {
  data: T
  truncated: boolean
}

/** How is in which way to ask. */
export interface How {
  signal?: AbortSignal
  /** What shows that one may ask; null where nobody wants to see it. */
  token?: string | null
}

/** Refusal is an answer that is not a success; its message is the problem's detail. */
export class Refusal extends Error {
  readonly status: number
  /** Seconds after which the server wants to be asked again; null where it did not say. */
  readonly retryAfter: number | null

  constructor(status: number, detail: string, retryAfter: number | null) {
    super(detail)
    this.status = status
    this.retryAfter = retryAfter
  }

  /** Seconds to wait before the same is asked again; null where that would not help. */
  get wait(): number | null {
    return this.status === 429 || this.status === 503 ? (this.retryAfter ?? shortWait) : null
  }
}

const shortWait = 2

/** Unreachable is a question without an answer: no connection, or nothing within the time. */
export class Unreachable extends Error {}

const noAnswer = 'The server does not answer.'

// A proxy answers these for a server that it cannot reach.
const ofProxies = new Set([502, 504])

/** patience is how long a question that reads little may take, in milliseconds. */
export const patience = 10_000

/** get asks and reads the body. It throws Refusal, Unreachable, or, if the signal is aborted, its AbortError. */
export async function get(url: string, how: How = {}): Promise<{ body: string; truncated: boolean }> {
  const answer = await open(url, how)
  const body = await arrived(answer.text())
  return { body, truncated: answer.headers.get('Flowd-Truncated') === 'true' }
}

/** ask is get for JSON. */
export async function ask<T>(url: string, how: How = {}): Promise<Answer<T>> {
  const { body, truncated } = await get(url, how)
  try {
    return { data: parseExact(body) as T, truncated }
  } catch {
    throw new Refusal(200, 'The answer is not JSON; something between this page and flowd answered in its place.', null)
  }
}

/** mostDownloaded is how many bytes download reads. */
export const mostDownloaded = 256_000_000

/**
 * download is get for a file of up to mostDownloaded bytes, which the browser keeps out of the way of the page's own
 * memory. onBytes hears how many have come so far. What comes of more than that, and of an answer that breaks off, is an
 * Error with a message for people.
 */
export async function download(url: string, how: How, onBytes: (bytes: number) => void): Promise<Blob> {
  const answer = await open(url, how)
  let came = 0
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, stream) {
      came += chunk.byteLength
      if (came > mostDownloaded) throw new Error(tooLarge)
      onBytes(came)
      stream.enqueue(chunk)
    },
  })
  const type = answer.headers.get('Content-Type') ?? ''
  try {
    return await new Response(answer.body?.pipeThrough(counter) ?? null, { headers: { 'Content-Type': type } }).blob()
  } catch {
    how.signal?.throwIfAborted()
    throw new Error(came > mostDownloaded ? tooLarge : 'The answer broke off; nothing was saved.')
  }
}

const tooLarge = 'The file is larger than 256 MB, more than the page can take; ask for fewer rows, or use curl.'

/** open asks; the body of what it returns is still to be read. */
async function open(url: string, { signal, token }: How): Promise<Response> {
  const answer = await arrived(
    fetch(url, {
      ...(signal && { signal }),
      // A token is for the server that the page is of; what leads elsewhere is not followed.
      ...(token && { headers: { Authorization: `Bearer ${token}` }, mode: 'same-origin', redirect: 'error' }),
    }),
  )
  if (ofProxies.has(answer.status)) throw new Unreachable(noAnswer)
  if (!answer.ok) {
    const detail = detailOf(answer, await arrived(answer.text()))
    throw new Refusal(answer.status, detail, secondsOf(answer.headers.get('Retry-After')))
  }
  return answer
}

/** arrived is what comes over the network; if that does not come, the server does not answer. */
async function arrived<T>(awaited: Promise<T>): Promise<T> {
  try {
    return await awaited
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Unreachable(noAnswer)
  }
}

function detailOf(answer: Response, body: string): string {
  const otherwise = `The server answered ${answer.status} ${answer.statusText}`.trimEnd() + '.'
  if (!answer.headers.get('Content-Type')?.startsWith('application/problem+json')) return otherwise
  try {
    const problem = JSON.parse(body) as { title?: string; detail?: string }
    return problem.detail ?? problem.title ?? otherwise
  } catch {
    return otherwise
  }
}

function secondsOf(text: string | null): number | null {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null
}
