import { useCallback, useMemo, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { isRunning, ticksOf, type Slot, type Window } from '../data/hours'
import type { Line } from '../data/series'
import { useWidth } from '../hooks'
import { colour, series } from '../theme'
import { byteAxis, drawBand, hatch, hourAxis, scalesOf, usePlot } from './plot'

interface SeriesPlotProps {
  lines: readonly Line[]
  slots: readonly Slot[]
  window: Window
  chosen: number
  /** The hour of the clock: it and those after it still run. */
  now: number
  dark: boolean
  height: number
  label: string
  /** The place in the window under the pointer, or null. */
  onHover: (place: number | null) => void
}

const pixelsOfLabel = 72

/** SeriesPlot draws a line per row over the hours; the chosen hour has a band behind it, those that run are hatched. */
export function SeriesPlot({ lines, slots, window, chosen, now, dark, height, label, onHover }: SeriesPlotProps) {
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const { lo, hi } = window
  const data = useMemo((): uPlot.AlignedData => {
    return [
      places({ lo, hi }),
      ...lines.map((line) => line.values.map((value) => (value === null ? null : Number(value)))),
    ]
  }, [lines, lo, hi])
  const onCursor = useCallback(
    (plot: uPlot) => onHover((plot.cursor.left ?? -1) < 0 ? null : (plot.cursor.idx ?? null)),
    [onHover],
  )
  const options = (): uPlot.Options | null => {
    if (width === 0) return null
    const colours = series()
    const band = colour('--band')
    const stripes = hatch('--line')
    const running = places(window).filter((slot) => slots[slot] != null && isRunning(slots[slot], now))
    const ticks = ticksOf(slots, window, Math.max(2, Math.floor((width - 60) / pixelsOfLabel)))
    return {
      width,
      height,
      padding: [8, 20, 0, 0], // half of the last label at the right
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: scalesOf(window),
      axes: [hourAxis(ticks), byteAxis()],
      series: [{}, ...lines.map((_, i) => lineOf(colours[i % colours.length]!))],
      hooks: {
        setCursor: [onCursor],
        drawClear: [
          (plot) => drawBand(plot, slots.indexOf(chosen), band),
          (plot) => running.forEach((slot) => drawBand(plot, slot, stripes)),
        ],
      },
    }
  }
  usePlot(box, options, data, [width, height, dark, slots, lo, hi, chosen, now, lines.length])
  return <div class="plot series-plot" ref={box} role="img" aria-label={label} style={{ minHeight: `${height}px` }} />
}

function places({ lo, hi }: Window): number[] {
  return Array.from({ length: hi - lo }, (_, i) => lo + i)
}

function lineOf(stroke: string): uPlot.Series {
  return { stroke, width: 1.75, points: { show: true, size: 5, fill: stroke, filter: lonely }, spanGaps: false }
}

/** lonely is the places that have no neighbour to draw a line to. */
function lonely(plot: uPlot, series: number): number[] {
  const values = plot.data[series]!
  return [...values.keys()].filter((i) => values[i] != null && values[i - 1] == null && values[i + 1] == null)
}
