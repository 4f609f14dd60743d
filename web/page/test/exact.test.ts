import { describe, expect, test } from 'vitest'
import { add, parseExact, ratio, subtract } from '../src/data/exact'

describe('parseExact', () => {
  test('keeps every digit of what a number cannot hold', () => {
    const text =
      '[{"bytes_tx":18446744073709551615,"bytes_rx":9007199254740993,"hour":1,"difference":-36893488147419103230}]'
    expect(parseExact(text)).toEqual([
      { bytes_tx: 18446744073709551615n, bytes_rx: 9007199254740993n, hour: 1, difference: -36893488147419103230n },
    ])
  })

  test('leaves numbers that are exact as numbers, though others of the answer are not', () => {
    expect(parseExact('[9007199254740991, 9007199254740992, 7]')).toEqual([9007199254740991, 9007199254740992n, 7])
  })

  test.each([
    ['digits in a name', '{"src_app":"12345678901234567890"}', { src_app: '12345678901234567890' }],
    ['a quote before digits', '{"a":"\\":12345678901234567890,","b":1}', { a: '":12345678901234567890,', b: 1 }],
    ['a backslash that ends a name', '{"a":"\\\\","b":12345678901234567890}', { a: '\\', b: 12345678901234567890n }],
    ['digits as a key', '{"1234567890123456789":1}', { '1234567890123456789': 1 }],
    ['a fraction', '[0.12345678901234567890, 12345678901234567.5]', [0.1234567890123456789, 12345678901234567.5]],
    ['an exponent', '[1234567890123456789e3]', [1234567890123456789e3]],
  ])('is not misled by %s', (_name, text, value) => {
    expect(parseExact(text)).toEqual(value)
  })

  test('refuses what is no JSON', () => {
    expect(() => parseExact('[12345678901234567890')).toThrow(SyntaxError)
  })
})

describe('sums', () => {
  test('go on exactly where numbers end, and come back', () => {
    const limit = Number.MAX_SAFE_INTEGER
    expect(add(limit, 1)).toBe(9007199254740992n)
    expect(add(limit, 2)).toBe(9007199254740993n)
    expect(subtract(9007199254740993n, 2)).toBe(limit)
    expect(subtract(1, 18446744073709551615n)).toBe(-18446744073709551614n)
    expect(add(2, 3)).toBe(5)
  })

  test('have a ratio, also to nothing', () => {
    expect(ratio(1, 4)).toBe(0.25)
    expect(ratio(18446744073709551615n, 18446744073709551615n)).toBe(1)
    expect(ratio(5, 0)).toBe(0)
  })
})
