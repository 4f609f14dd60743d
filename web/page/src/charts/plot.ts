import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { RefObject } from 'preact'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { bytes } from '../data/format'
import type { Tick, Window } from '../data/hours'
import { colour } from '../theme'

/**
 * usePlot keeps a plot in box. It is made anew when one of parts changes, what its options are made of; when data alone
 * does, it is drawn again.
 */
export function usePlot(
  box: RefObject<HTMLElement | null>,
  options: () => uPlot.Options | null,
  data: uPlot.AlignedData,
  parts: unknown[],
): RefObject<uPlot | null> {
  const plot = useRef<uPlot | null>(null)
  useLayoutEffect(() => {
    const made = options()
    if (!made || !box.current) return undefined
    plot.current = new uPlot(made, data, box.current)
    return () => {
      plot.current?.destroy()
      plot.current = null
    }
  }, [box, ...parts])
  useEffect(() => {
    if (plot.current && plot.current.data !== data) plot.current.setData(data)
  }, [data])
  return plot
}

const font = '11px system-ui, sans-serif'

/** hourAxis labels slots. */
export function hourAxis(ticks: readonly Tick[]): uPlot.Axis {
  return {
    font,
    size: 26,
    gap: 4,
    stroke: colour('--muted'),
    grid: { show: false },
    ticks: { stroke: colour('--line'), width: 1, size: 4 },
    splits: () => ticks.map((tick) => tick.slot),
    values: () => ticks.map((tick) => tick.label),
  }
}

/** byteAxis labels bytes. */
export function byteAxis(): uPlot.Axis {
  return {
    font,
    size: 58,
    gap: 6,
    space: 34,
    stroke: colour('--muted'),
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
    // There are no parts of a byte.
    values: (_plot, splits) =>
      splits.map((split) => (Number.isInteger(split) ? bytes(split).replace(/\.0+ /, ' ') : '')),
  }
}

/** drawBand marks a slot from the top of the plot to its bottom. */
export function drawBand(plot: uPlot, slot: number, fill: string | CanvasPattern): void {
  if (slot < 0) return
  const from = Math.max(plot.bbox.left, plot.valToPos(slot - 0.5, 'x', true))
  const to = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(slot + 0.5, 'x', true))
  if (to <= from) return
  plot.ctx.save()
  plot.ctx.fillStyle = fill
  plot.ctx.fillRect(from, plot.bbox.top, to - from, plot.bbox.height)
  plot.ctx.restore()
}

/** hatch is stripes of a colour, between which what is below them is seen. */
export function hatch(name: string): CanvasPattern {
  const size = Math.round(6 * devicePixelRatio)
  const tile = new OffscreenCanvas(size, size)
  const pen = tile.getContext('2d')!
  pen.strokeStyle = colour(name)
  pen.lineWidth = size / 3
  // The line through the tile, and its neighbours' through the corners.
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1)
    pen.lineTo(shift + size + 1, -1)
  }
  pen.stroke()
  return pen.createPattern(tile, 'repeat')!
}

/** scalesOf shows the slots of window, and bytes from zero. */
export function scalesOf(window: Window): uPlot.Scales {
  return {
    x: { time: false, range: [window.lo - 0.5, window.hi - 0.5] },
    y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.06 : 1] },
  }
}
