// A token is a secret. It is in the memory of the page and of the tab, and goes to the server that the page is of, as a
// header. It is in no address, and not in the document once it was entered.

/** Memory keeps a token until the tab is closed. */
export interface Memory {
  read: () => string | null
  write: (token: string) => void
  clear: () => void
}

// A proxy may have several servers below paths of one origin, and the token is of one.
const storedAs = () => `flowd-token ${location.pathname}`

/** tabMemory outlives a reload, and is no other tab's. In a browser that keeps nothing a token holds until the reload. */
export const tabMemory: Memory = {
  read: () => attempt(() => sessionStorage.getItem(storedAs())) ?? null,
  write: (token) => attempt(() => sessionStorage.setItem(storedAs(), token)),
  clear: () => attempt(() => sessionStorage.removeItem(storedAs())),
}

function attempt<T>(what: () => T): T | undefined {
  try {
    return what()
  } catch {
    return undefined
  }
}

/** tokenIn is the token in what was typed or pasted, which may be the whole header; null where there is none in it. */
export function tokenIn(text: string): string | null {
  const token = text.trim().replace(/^(authorization:\s*)?bearer\s+/i, '')
  // Whatever else a header cannot carry would look like a server that does not answer.
  return /^[\x21-\x7e]+$/.test(token) ? token : null
}
