// Who talks to whom, in the two forms that charts draw.

import { add, type Int } from './exact'
import { bytesOf } from './hours'
import type { FlowRow } from './queries'

/** Link is the bytes of a connection both ways. */
export interface Link {
  src: string
  dest: string
  total: Int
}

/** linksOf reads the rows of linksUrl. */
export function linksOf(rows: readonly FlowRow[]): Link[] {
  return rows.map((row) => ({ src: row.src_app ?? '', dest: row.dest_app ?? '', total: bytesOf(row) }))
}

export type Side = 'src' | 'dest'

/** Node is an app on one side of the diagram. */
export interface Node {
  id: string
  name: string
  side: Side
  total: Int
}

/**
 * nodeId names an app on a side. An app that is a source and a destination is two nodes: so the diagram has two
 * columns, and no circle, whoever talks to whom; a Sankey diagram has no picture of a circle.
 */
export function nodeId(side: Side, app: string): string {
  return `${side} ${app}`
}

/** nodesOf is the apps of each side, the heaviest first. */
export function nodesOf(links: readonly Link[]): Node[] {
  const nodes = new Map<string, Node>()
  const count = (side: Side, name: string, total: Int) => {
    const id = nodeId(side, name)
    const node = nodes.get(id)
    if (node) node.total = add(node.total, total)
    else nodes.set(id, { id, name, side, total })
  }
  for (const link of links) {
    count('src', link.src, link.total)
    count('dest', link.dest, link.total)
  }
  return [...nodes.values()].sort(heaviestFirst)
}

function heaviestFirst(a: { total: Int; name: string }, b: { total: Int; name: string }): number {
  if (a.total !== b.total) return a.total < b.total ? 1 : -1
  return a.name < b.name ? -1 : 1
}

/** Cell is a place of the matrix, by the indexes of its names. */
export interface Cell {
  column: number
  line: number
  link: Link
}

export interface Matrix {
  /** Sources are lines, destinations are columns; the heaviest first. */
  lines: string[]
  columns: string[]
  cells: Cell[]
  /** How many connections have no line or no column, and what they carried. */
  left: { links: number; total: Int }
}

/** matrixOf lays links out between the heaviest sources and destinations, at most most of each. */
export function matrixOf(links: readonly Link[], most: number): Matrix {
  const nodes = nodesOf(links)
  const heaviest = (side: Side) =>
    nodes
      .filter((node) => node.side === side)
      .slice(0, most)
      .map((node) => node.name)
  const lines = heaviest('src')
  const columns = heaviest('dest')
  const lineOf = new Map(lines.map((name, i) => [name, i]))
  const columnOf = new Map(columns.map((name, i) => [name, i]))
  const cells: Cell[] = []
  const left: Matrix['left'] = { links: 0, total: 0 }
  for (const link of links) {
    const line = lineOf.get(link.src)
    const column = columnOf.get(link.dest)
    if (line !== undefined && column !== undefined) cells.push({ line, column, link })
    else {
      left.links++
      left.total = add(left.total, link.total)
    }
  }
  return { lines, columns, cells, left }
}

/** sumOf is what links carried together. */
export function sumOf(links: readonly Link[]): Int {
  return links.reduce<Int>((sum, link) => add(sum, link.total), 0)
}
