import { expect, test } from 'vitest'
import { bytes, change, count, counted, exact, percent, shown, signed } from '../src/data/format'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [1234, '1.23 kB'],
  [99_949, '99.9 kB'],
  [99_951, '100 kB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [12_345_678, '12.3 MB'],
  [18446744073709551615n, '18.4 EB'],
  [36893488147419103230n, '36.9 EB'],
  [-5_000_000_000, '−5.00 GB'],
])('%s bytes are %s', (n, text) => {
  expect(bytes(n)).toBe(text)
})

test('counts are short, exact numbers are not', () => {
  expect(count(1_234_567)).toBe('1.23 M')
  expect(count(12)).toBe('12')
  expect(exact(18446744073709551615n)).toBe('18,446,744,073,709,551,615')
  expect(exact(-1234)).toBe('−1,234')
})

test('what grew has a plus', () => {
  expect(signed(1500, bytes)).toBe('+1.50 kB')
  expect(signed(-1500, bytes)).toBe('−1.50 kB')
  expect(signed(18446744073709551615n, exact)).toBe('+18,446,744,073,709,551,615')
  expect(signed(0, exact)).toBe('0')
})

test.each([
  [0, '0.0 %'],
  [0.0001, '<0.1 %'],
  [0.123, '12.3 %'],
  [0.99949, '99.9 %'],
  [1, '100 %'],
  [-0.25, '−25.0 %'],
])('the part %s is %s', (part, text) => {
  expect(percent(part)).toBe(text)
})

test.each([
  [100, 100, '±0 %'],
  [0, 0, '±0 %'],
  [0, 5, 'new'],
  [100_000, 100_001, '±0 %'],
  [100, 150, '+50.0 %'],
  [100, 25, '−75.0 %'],
  [100, 0, '−100 %'],
  [1, 34, '×34'],
  [4, 49, '×12.3'],
  [1, 18446744073709551615n, '×1,000 or more'],
])('from %s to %s is %s', (before, after, text) => {
  expect(change(before, after)).toBe(text)
})

test('things are counted', () => {
  expect(counted(0, 'row', 'All')).toBe('No rows')
  expect(counted(1, 'row', 'First')).toBe('1 row')
  expect(counted(1234, 'row', 'First')).toBe('First 1,234 rows')
})

test('a name cannot look like another by what is not seen', () => {
  expect(shown('a\u202eevil')).toBe('a\ufffdevil')
  expect(shown('pay\u200bments')).toBe('pay\ufffdments')
  expect(shown('a\u2028b')).toBe('a\ufffdb')
  expect(shown('👩\u200d💻 שלום <b> &amp;')).toBe('👩\u200d💻 שלום <b> &amp;')
})
