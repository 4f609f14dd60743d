import { expect, test } from 'vitest'
import { linesOf } from '../src/data/series'
import { rowKey } from '../src/data/view'

test('rows become lines over the slots of a window', () => {
  const rows = [
    { src_app: 'a', dest_app: 'x', bytes_tx: 1, bytes_rx: 2, hour: 11 },
    { src_app: 'a', dest_app: 'x', bytes_tx: 18446744073709551615n, bytes_rx: 0, hour: 500 },
    { src_app: 'b', dest_app: 'y', bytes_tx: 4, bytes_rx: 4, hour: 10 },
    { src_app: 'a', dest_app: 'y', bytes_tx: 9, bytes_rx: 9, hour: 10 }, // of another key
    { src_app: 'b', dest_app: 'y', bytes_tx: 7, bytes_rx: 7, hour: 9 }, // before the window
  ]
  const keys = [rowKey(['a', 'x']), rowKey(['b', 'y']), rowKey(['c', 'z'])]
  const lines = linesOf(rows, keys, ['src_app', 'dest_app'], [9, 10, 11, null, 500], { lo: 1, hi: 5 })
  expect(lines.map((line) => line.values)).toEqual([
    [0, 3, null, 18446744073709551615n],
    [8, 0, null, 0],
    [0, 0, null, 0],
  ])
  expect(lines.map((line) => line.sum)).toEqual([18446744073709551618n, 8, 0])
  expect(lines.map((line) => line.highest)).toEqual([18446744073709551615n, 8, 0])
})
