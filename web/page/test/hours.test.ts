import { describe, expect, test } from 'vitest'
import type { Int } from '../src/data/exact'
import {
  finishedBefore,
  hourBefore,
  hourBeside,
  hourInput,
  hourOfClock,
  hourShort,
  hourText,
  isRunning,
  parseHour,
  progressOf,
  saturated,
  slotsOf,
  startOf,
  ticksOf,
  wholeOf,
  windowOf,
  type HourTotals,
} from '../src/data/hours'

const november = 498_729 // 2026-11-23 09:00 UTC

describe('an hour', () => {
  test('is a time from 100,000 on, and a number below', () => {
    expect(hourText(99_999)).toBe('Hour 99999')
    expect(hourText(100_000)).toBe('Fri 29 May 1981, 16:00 UTC')
    expect(hourText(november)).toBe('Mon 23 Nov 2026, 09:00 UTC')
    expect(hourText(2 ** 31 - 1)).toMatch(/^\w{3} \d+ \w{3} \d{6}, \d\d:00 UTC$/)
    expect(hourShort(november)).toBe('23 Nov 09:00')
    expect(hourShort(7)).toBe('7')
  })

  test.each([
    ['7', 7],
    [' 498729 ', november],
    ['2026-11-23 09:00', november],
    ['2026-11-23 9', november],
    ['2026-11-23T09:59:59.5Z', november],
    ['2026-11-23', november - 9],
    ['2026-11-23 09:00 UTC', november],
    ['2147483647', 2 ** 31 - 1],
    ['2147483648', null],
    ['2026-02-31 10:00', null],
    ['2026-13-01', null],
    ['2026-11-23 24:00', null],
    ['1970-01-02 00:00', null], // the number 24, which is shown as a number
    ['-1', null],
    ['nonsense', null],
    ['', null],
  ])('is read from %j', (text, hour) => {
    expect(parseHour(text)).toBe(hour)
  })

  test('is read as it is written', () => {
    for (const hour of [0, 7, 99_999, 100_000, november, 2 ** 31 - 1]) expect(parseHour(hourInput(hour))).toBe(hour)
  })
})

describe('slots', () => {
  test('have a place for hours without flows, and one for a long time without', () => {
    expect(slotsOf([1, 2, 5])).toEqual([1, 2, 3, 4, 5])
    expect(slotsOf([1, 2, 500])).toEqual([1, 2, null, 500])
    expect(slotsOf([0, 72])).toHaveLength(73)
    expect(slotsOf([0, 73])).toEqual([0, null, 73])
    expect(slotsOf([])).toEqual([])
    expect(slotsOf([9])).toEqual([9])
  })

  test('stay few when few hours lie far and wide', () => {
    const sparse = Array.from({ length: 10_000 }, (_, i) => i * 72)
    expect(slotsOf(sparse).length).toBeLessThan(20_001)
  })
})

describe('a window', () => {
  const slots = slotsOf(Array.from({ length: 100 }, (_, i) => 1000 + i))

  test('is the newest hours, if the chosen one is among them', () => {
    expect(windowOf(slots, 24, null, 99)).toEqual({ lo: 76, hi: 100 })
    expect(windowOf(slots, 24, null, -1)).toEqual({ lo: 76, hi: 100 })
  })
  test('goes to the chosen hour, and stays within what there is', () => {
    expect(windowOf(slots, 24, null, 50)).toEqual({ lo: 38, hi: 62 })
    expect(windowOf(slots, 24, null, 0)).toEqual({ lo: 0, hi: 24 })
  })
  test('begins where it is told to, wherever the chosen hour is', () => {
    expect(windowOf(slots, 24, 1010, 99)).toEqual({ lo: 10, hi: 34 })
    expect(windowOf(slots, 24, 5, 99)).toEqual({ lo: 0, hi: 24 })
    expect(windowOf(slots, 24, 99_999, 0)).toEqual({ lo: 76, hi: 100 })
  })
  test('shows all at most', () => {
    expect(windowOf(slots, Infinity, null, 3)).toEqual({ lo: 0, hi: 100 })
    expect(windowOf([], 24, null, -1)).toEqual({ lo: 0, hi: 0 })
  })
  test('can be told to begin at a slot', () => {
    expect(startOf(slots, 10)).toBe(1010)
    expect(startOf([1, null, 500], 1)).toBe(500)
    expect(startOf(slots, 100)).toBeNull()
  })
})

describe('labels', () => {
  const day = slotsOf(Array.from({ length: 48 }, (_, i) => november - 47 + i))

  test('stand at round hours, with the day at midnight', () => {
    const labels = ticksOf(day, { lo: 0, hi: 48 }, 10).map((tick) => tick.label)
    expect(labels).toEqual(['12:00', '18:00', '22 Nov', '06:00', '12:00', '18:00', '23 Nov', '06:00'])
  })
  test('are no more than fit', () => {
    const years = slotsOf(Array.from({ length: 30_000 }, (_, i) => november - 29_999 + i))
    for (const most of [2, 5, 12, 30])
      expect(ticksOf(years, { lo: 0, hi: years.length }, most).length).toBeLessThanOrEqual(most)
    const far = slotsOf(Array.from({ length: 50 }, (_, i) => i * 1001))
    expect(ticksOf(far, { lo: 0, hi: far.length }, 7).length).toBeLessThanOrEqual(7)
  })
  test('show where hours are left out', () => {
    expect(ticksOf([1, 2, null, 500], { lo: 0, hi: 4 }, 10).map((tick) => tick.label)).toEqual(['1', '2', '⋯', '500'])
  })
})

test('what can be read of an hour grows with its flows, or, where these are not told, with its bytes and tuples', () => {
  const without: HourTotals = { hour: 1, bytes_tx: 18446744073709551614n, bytes_rx: 0 }
  expect(progressOf({ ...without, tuples: 2, flows: 7 })).toBe(7)
  expect(progressOf({ ...without, tuples: 2 })).toBe(18446744073709551616n)
  expect(progressOf(without)).toBe(18446744073709551614n)
})

test('the hour before is the one before that has flows', () => {
  const hours = [1, 2, 7].map((hour): HourTotals => ({ hour, tuples: 1, flows: 1, bytes_tx: 1, bytes_rx: 1 }))
  expect(hourBefore(hours, 7)).toBe(2)
  expect(hourBefore(hours, 5)).toBe(2)
  expect(hourBefore(hours, 1)).toBe(0)
  expect(hourBefore([], 0)).toBe(0)
})

describe('an hour of the clock', () => {
  const totals = (hour: number, bytes_tx: Int = 1): HourTotals => ({ hour, bytes_tx, bytes_rx: 1 })

  test('runs until it is over; a number is no time, and never does', () => {
    expect(hourOfClock(november * 3_600_000 + 3_599_999)).toBe(november)
    expect([-1, 0, 1].map((by) => isRunning(november + by, november))).toEqual([false, true, true])
    expect(isRunning(7, 3)).toBe(false)
  })
  test('has before it the newest that is over', () => {
    const hours = [november - 3, november - 1, november, november + 1].map((hour) => totals(hour))
    expect(finishedBefore(hours, november + 1, november)).toBe(november - 1)
    expect(finishedBefore(hours, november - 1, november)).toBe(november - 3)
    expect(finishedBefore(hours, november - 3, november)).toBeNull()
  })
  test('is named by what the hour beside it does not say', () => {
    expect(hourBeside(november - 1, november)).toBe('08:00')
    expect(hourBeside(november - 24, november)).toBe('22 Nov 09:00')
    expect(hourBeside(7, 8)).toBe('hour 7')
    expect(hourBeside(november, 7)).toBe('23 Nov 09:00')
  })
  test('tells the whole of its rows, but not where its totals stop at the most that fits', () => {
    expect(wholeOf(totals(7, 10), 5)).toBe(11)
    expect(wholeOf(totals(7, 10), 12)).toBe(12) // rows came later than the totals
    expect(wholeOf(totals(7, 2n ** 64n - 2n), 5)).toBe(2n ** 64n - 1n)
    expect(saturated(totals(7, 2n ** 64n - 1n))).toBe(true)
    expect(wholeOf(totals(7, 2n ** 64n - 1n), 5)).toBeNull()
    expect(wholeOf(undefined, 5)).toBeNull()
  })
})
