import { describe, expect, test } from 'vitest'
import { linksOf, matrixOf, nodeId, nodesOf, sumOf, type Link } from '../src/data/map'

const link = (src: string, dest: string, total: number): Link => ({ src, dest, total })

// Each other, oneself, and around three corners.
const circles = [link('a', 'b', 5), link('b', 'a', 4), link('a', 'a', 3), link('b', 'c', 2), link('c', 'a', 1)]

describe('the diagram', () => {
  test('has no circle, whoever talks to whom', () => {
    const sides = new Map(nodesOf(circles).map((node) => [node.id, node.side]))
    for (const { src, dest } of circles) {
      expect(sides.get(nodeId('src', src))).toBe('src')
      expect(sides.get(nodeId('dest', dest))).toBe('dest')
    }
  })

  test('has each app once on a side, the heaviest first', () => {
    expect(nodesOf(circles).map(({ side, name, total }) => [side, name, total])).toEqual([
      ['src', 'a', 8],
      ['dest', 'a', 8],
      ['src', 'b', 6],
      ['dest', 'b', 5],
      ['dest', 'c', 2],
      ['src', 'c', 1],
    ])
  })

  test('tells names apart that look like sides', () => {
    const names = nodesOf([link('dest a', 'a', 1), link('a', 'src a', 1)]).map((node) => node.id)
    expect(new Set(names).size).toBe(4)
  })
})

describe('the matrix', () => {
  test('has a place for each link, by the weight of its apps', () => {
    const { lines, columns, cells, left } = matrixOf(circles, 10)
    expect(lines).toEqual(['a', 'b', 'c'])
    expect(columns).toEqual(['a', 'b', 'c'])
    expect(cells).toHaveLength(5)
    expect(cells.map((cell) => [lines[cell.line], columns[cell.column]])).toEqual(
      circles.map((of) => [of.src, of.dest]),
    )
    expect(left).toEqual({ links: 0, total: 0 })
  })

  test('says what has no place', () => {
    const { lines, columns, cells, left } = matrixOf(circles, 2)
    expect([lines, columns]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
    expect(cells).toHaveLength(3)
    expect(left).toEqual({ links: 2, total: 3 })
  })
})

test('links are the rows of an answer, whose sums may be long', () => {
  const links = linksOf([
    { src_app: 'a', dest_app: 'b', bytes_tx: 18446744073709551615n, bytes_rx: 1 },
    { src_app: 'a', dest_app: 'c', bytes_tx: 0, bytes_rx: 2 },
  ])
  expect(links[0]!.total).toBe(18446744073709551616n)
  expect(sumOf(links)).toBe(18446744073709551618n)
})
