// Sums go up to 2^64-1 and differences beyond; a JavaScript number is exact up to 2^53-1 only. So an integer of an answer
// is a number where that is exact, and a bigint where it is not. Charts alone round: a pixel does not show it.

export type Int = number | bigint

// An integer that may be too long for a number has 16 digits or more. The pattern steps over whole strings, for names
// may have digits too, and leaves fractions alone.
const longInteger = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g

// Names have no control characters, so a string that starts with one can only come from here.
const mark = '\u0000'

/** parseExact reads JSON as JSON.parse does, but keeps every digit of its integers. */
export function parseExact(text: string): unknown {
  // Nearly all answers have no such integer, and take the fast way.
  if (!/\d{16}/.test(text)) return JSON.parse(text)
  const marked = text.replace(longInteger, (token) => (token.startsWith('"') ? token : `"\\u0000${token}"`))
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith(mark) ? smallest(BigInt(value.slice(1))) : value,
  )
}

/** smallest is n as a number where that is exact. */
function smallest(n: bigint): Int {
  const rounded = Number(n)
  return Number.isSafeInteger(rounded) ? rounded : n
}

export function add(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return smallest(BigInt(a) + BigInt(b))
}

export function subtract(a: Int, b: Int): Int {
  return add(a, -b)
}

/** ratio is a/b, rounded; 0 where b is. */
export function ratio(a: Int, b: Int): number {
  return Number(b) === 0 ? 0 : Number(a) / Number(b)
}
