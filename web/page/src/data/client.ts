import { parseExact } from './exact'

/** Answer is a body that was read, and whether limit cut it. */
export interface Answer<T> {
  data: T
  truncated: boolean
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
}

/** Unreachable is a question without an answer: no connection, or nothing within the time. */
export class Unreachable extends Error {}

// A proxy answers these for a server that it cannot reach.
const ofProxies = new Set([502, 504])

/** patience is how long a question that reads little may take, in milliseconds. */
export const patience = 10_000

/** get asks and reads the body. It throws Refusal, Unreachable, or, if signal is aborted, its AbortError. */
export async function get(url: string, signal?: AbortSignal): Promise<{ body: string; truncated: boolean }> {
  let answer: Response
  let body: string
  try {
    answer = await fetch(url, signal ? { signal } : {})
    body = await answer.text()
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Unreachable('The server does not answer.')
  }
  if (ofProxies.has(answer.status)) throw new Unreachable('The server does not answer.')
  if (!answer.ok) throw new Refusal(answer.status, detailOf(answer, body), secondsOf(answer.headers.get('Retry-After')))
  return { body, truncated: answer.headers.get('Flowd-Truncated') === 'true' }
}

/** ask is get for JSON. */
export async function ask<T>(url: string, signal?: AbortSignal): Promise<Answer<T>> {
  const { body, truncated } = await get(url, signal)
  try {
    return { data: parseExact(body) as T, truncated }
  } catch {
    throw new Refusal(200, 'The answer is not JSON; something between this page and flowd answered in its place.', null)
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
