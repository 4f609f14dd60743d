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

/** scalesOf shows the slots of window, and bytes from zero. */
export function scalesOf(window: Window): uPlot.Scales {
  return {
    x: { time: false, range: [window.lo - 0.5, window.hi - 0.5] },
    y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.06 : 1] },
  }
}
