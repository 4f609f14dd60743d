import { ratio, type Int } from './exact'

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB']
const counts = ['', ' k', ' M', ' G', ' T', ' P', ' E']

// One language for all readers, as the rest of the page is in English; the separator is what the API's users read too.
const grouped = new Intl.NumberFormat('en-GB')

/** scaled writes n in three digits with the largest unit that leaves something before the point. */
function scaled(n: number, names: readonly string[], space: string): string {
  const sign = n < 0 ? '−' : ''
  let rest = Math.abs(n)
  let unit = 0
  // 999.5 and more would be shown as 1000.
  while (rest >= 999.5 && unit < names.length - 1) {
    rest /= 1000
    unit++
  }
  const digits = unit === 0 && Number.isInteger(rest) ? 0 : rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
  return `${sign}${rest.toFixed(digits)}${space}${names[unit]}`
}

/** bytes writes 1234567 as "1.23 MB"; units are powers of 1,000. */
export function bytes(n: Int): string {
  return scaled(Number(n), units, ' ')
}

/** exact writes every digit: "1,234,567". */
export function exact(n: Int): string {
  return grouped.format(n).replace('-', '−')
}

/** count writes 1234567 as "1.23 M". */
export function count(n: Int): string {
  return scaled(Number(n), counts, '')
}

/** signed puts a plus before what is not negative. */
export function signed(n: Int, write: (n: Int) => string): string {
  return n > 0 ? `+${write(n)}` : write(n)
}

/** percent writes a part of 1 in at most three digits; what is there but tiny is not shown as nothing. */
export function percent(part: number): string {
  const p = part * 100
  if (p !== 0 && Math.abs(p) < 0.05) return '<0.1 %'
  const digits = Math.abs(p) >= 99.95 ? 0 : 1
  return `${p.toFixed(digits).replace('-', '−')} %`
}

/** share writes which part of whole n is; a dash where the whole is not known. */
export function share(n: Int, whole: Int | null): string {
  return whole === null ? '–' : percent(ratio(n, whole))
}

/** change writes how far after is from before: "+12.0 %", "×12.3", or "new". */
export function change(before: Int, after: Int): string {
  if (Number(before) === 0) return Number(after) === 0 ? '±0 %' : 'new'
  const times = Number(after) / Number(before)
  if (Math.abs(times - 1) < 0.0005) return '±0 %'
  if (times >= 999.5) return '×1,000 or more'
  if (times >= 9.995) return `×${scaled(times, counts, '')}`
  return signed(times - 1, (n) => percent(Number(n)))
}

/** counted writes "No rows", "1 row", or, with a word for how many of them these are, "All 1,234 rows". */
export function counted(n: number, thing: string, which: string): string {
  if (n === 0) return `No ${thing}s`
  return n === 1 ? `1 ${thing}` : `${which} ${exact(n)} ${thing}s`
}

// Marks that turn the direction of text, or are not seen, could make a name look like another. The two that join letters
// and signs are part of names.
const unseen = /(?![\u200c\u200d])[\p{Cf}\p{Zl}\p{Zp}]/gu

/** shown is a name as it is shown: what would not be seen of it has a sign of its own. */
export function shown(name: string): string {
  return name.replace(unseen, '\ufffd')
}
