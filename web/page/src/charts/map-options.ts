// Options of ECharts are plain values. Names go through formatters that are functions and return them as they are: in a
// formatter that is a string, or in rich text, a name with braces would be taken for markup.

import { shown } from '../data/format'
import { nodeId, nodesOf, type Link, type Matrix, type Side } from '../data/map'
import { calm, colour, series } from '../theme'

/** Spot is what of a chart is under the pointer: a link, or an app on one side. */
export type Spot = { link: Link } | { app: string; side: Side }

const family = 'system-ui, sans-serif'
const narrowest = 2 // pixels of the narrowest letter, about

/**
 * textOf is a name as a label that is at most room pixels wide. It ends in a space of a hair: ECharts keeps the widths of
 * texts in an object by the texts themselves, where a name such as __proto__ alone would be the object's own property.
 */
function textOf(name: string, room: number, size: number): string {
  const pen = document.createElement('canvas').getContext('2d')!
  pen.font = `${size}px ${family}`
  const all = [...shown(name)]
  const letters = all.slice(0, Math.floor(room / narrowest))
  const text = () => letters.join('') + (letters.length < all.length ? '…' : '')
  while (letters.length > 1 && pen.measureText(text()).width > room) letters.pop()
  return `${text()}\u200a`
}

export interface ChartSize {
  width: number
  height: number
}

/** sankeyOptions draws links from the sources at the left to the destinations at the right. */
export function sankeyOptions(links: readonly Link[], { width }: ChartSize): Record<string, unknown> {
  const nodes = nodesOf(links)
  const colours = series()
  const rest = colour('--series-rest')
  const idsOf = (side: Side) => nodes.filter((node) => node.side === side).map((node) => node.id)
  // Colours tell more on the side with fewer apps: there are enough of them for it.
  const coloured: Side = idsOf('dest').length < idsOf('src').length ? 'dest' : 'src'
  const ids = idsOf(coloured)
  const room = Math.min(170, Math.round(width * 0.26))
  const texts = nodes.map((node) => textOf(node.name, room - 12, 11.5))
  const labels = { color: colour('--text'), fontSize: 11.5, fontFamily: family }
  return {
    animation: !calm.matches,
    animationDuration: 250,
    animationDurationUpdate: 250,
    series: [
      {
        type: 'sankey',
        left: room,
        right: room,
        top: 6,
        bottom: 6,
        nodeWidth: 8,
        nodeGap: Math.max(3, Math.min(10, 180 / nodes.length)),
        draggable: false,
        emphasis: { focus: 'adjacency', lineStyle: { opacity: 0.65 } },
        blur: { lineStyle: { opacity: 0.1 }, itemStyle: { opacity: 0.4 }, label: { opacity: 0.45 } },
        lineStyle: { color: coloured === 'src' ? 'source' : 'target', opacity: 0.38, curveness: 0.5 },
        label: labels,
        nodes: nodes.map((node, i) => ({
          name: node.id,
          app: node.name,
          side: node.side,
          depth: node.side === 'src' ? 0 : 1,
          itemStyle: { color: node.side === coloured ? (colours[ids.indexOf(node.id)] ?? rest) : rest },
          label: {
            position: node.side === 'src' ? 'left' : 'right',
            formatter: () => texts[i],
          },
        })),
        links: links.map((link) => ({
          source: nodeId('src', link.src),
          target: nodeId('dest', link.dest),
          value: Number(link.total),
          link,
        })),
      },
    ],
  }
}

/** matrixOptions draws a square per connection; the darker, the more bytes, by their order of magnitude. */
export function matrixOptions(matrix: Matrix, { width }: ChartSize): Record<string, unknown> {
  const names = Math.min(150, Math.round(width * 0.22))
  const logs = matrix.cells.map((cell) => Math.log10(Number(cell.link.total) + 1))
  const axis = {
    type: 'category',
    axisTick: { show: false },
    axisLine: { show: false },
    splitArea: { show: false },
    splitLine: { show: true, lineStyle: { color: colour('--grid') } },
  }
  const label = { color: colour('--text'), fontSize: 11, fontFamily: family, interval: 0 }
  // The axes know apps by their places.
  const places = (apps: readonly string[]) => {
    const texts = apps.map((app) => textOf(app, names, 11))
    return {
      data: apps.map((_, place) => String(place)),
      axisLabel: { ...label, formatter: (place: string) => texts[Number(place)] },
    }
  }
  const columns = places(matrix.columns)
  return {
    animation: false,
    grid: { left: names + 8, right: 12, top: names * 0.82 + 8, bottom: 8 },
    xAxis: { ...axis, ...columns, axisLabel: { ...columns.axisLabel, rotate: 55 }, position: 'top' },
    yAxis: { ...axis, ...places(matrix.lines), inverse: true },
    visualMap: {
      type: 'continuous',
      show: false,
      min: Math.min(...logs),
      // One cell alone is the most there is.
      max: Math.max(...logs) || 1,
      dimension: 2,
      inRange: { color: [1, 2, 3, 4, 5].map((n) => colour(`--heat-${n}`)) },
    },
    series: [
      {
        type: 'heatmap',
        data: matrix.cells.map((cell, i) => ({ value: [cell.column, cell.line, logs[i]], link: cell.link })),
        itemStyle: { borderColor: colour('--surface'), borderWidth: 1 },
        emphasis: { itemStyle: { borderColor: colour('--text'), borderWidth: 1.5 } },
      },
    ],
  }
}

/** spotOf reads an event of a chart's mouse. */
export function spotOf(data: unknown): Spot | null {
  const item = data as Partial<{ link: Link; app: string; side: Side }> | null
  if (item?.link) return { link: item.link }
  if (item?.app !== undefined && item.side) return { app: item.app, side: item.side }
  return null
}
