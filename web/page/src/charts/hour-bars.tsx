import { useCallback, useMemo, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { bytesOf, isRunning, ticksOf, type HourTotals, type Slot, type Window } from '../data/hours'
import { useWidth } from '../hooks'
import { colour } from '../theme'
import { byteAxis, drawBand, hatch, hourAxis, scalesOf, usePlot } from './plot'

interface HourBarsProps {
  slots: readonly Slot[]
  window: Window
  totals: ReadonlyMap<number, HourTotals>
  chosen: number
  compared: number
  /** The hour of the clock: it and those after it still run. */
  now: number
  dark: boolean
  onChoose: (hour: number) => void
  /** A part of the chart that was drawn over, to be looked at closer. */
  onZoom: (window: Window) => void
  tip: (hour: number) => preact.ComponentChildren
}

const height = 148
const pixelsOfLabel = 68
const smallestZoom = 6
// Round corners are not seen on thin bars, and take long on thousands.
const mostRounded = 200

/**
 * HourBars draws a bar per hour: those that still run are hatched, and the chosen one stands on a band of its own, so that
 * it is seen where it has no bar. It is for pointers; the slider around it is for keys and screen readers.
 */
export function HourBars(props: HourBarsProps) {
  const { slots, window, totals, chosen, compared, now, dark, tip } = props
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const [hover, setHover] = useState<{ hour: number; left: number } | null>(null)
  const data = useBars(slots, window, totals, chosen, compared, now)
  // The plot outlives renderings; what it calls must be of the last one.
  const last = useRef(props)
  last.current = props

  const onCursor = useCallback((plot: uPlot) => {
    const hour = hourAt(last.current.slots, plot, plot.cursor.left ?? -1)
    setHover(
      hour === null
        ? null
        : { hour, left: plot.valToPos(last.current.slots.indexOf(hour), 'x') + plot.over.offsetLeft },
    )
  }, [])
  const options = (): uPlot.Options | null => {
    if (width === 0) return null
    const many = window.hi - window.lo > mostRounded
    const [band, mark] = [colour('--band'), colour('--accent')]
    const ticks = ticksOf(slots, window, Math.max(2, Math.floor((width - 60) / pixelsOfLabel)))
    return {
      width,
      height,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 8 } },
      scales: scalesOf(window),
      axes: [hourAxis(ticks), byteAxis()],
      series: [
        {},
        bars('--bar', many),
        bars('--compared', many),
        bars('--accent', many),
        bars('--surface', many, hatch('--surface')),
      ],
      hooks: {
        drawClear: [(plot) => drawChosen(plot, last.current.slots.indexOf(last.current.chosen), band, mark)],
        setCursor: [onCursor],
        setSelect: [(plot) => zoom(plot, last.current)],
        ready: [(plot) => plot.over.addEventListener('click', (event) => pick(plot, event, last.current))],
      },
    }
  }
  usePlot(box, options, data, [width, dark, slots, window.lo, window.hi])
  const right = hover !== null && hover.left > width / 2
  return (
    <div class="plot hour-bars" ref={box} aria-hidden="true">
      {hover && (
        <div class={right ? 'tip to-left' : 'tip'} style={{ left: `${hover.left}px` }}>
          {tip(hover.hour)}
        </div>
      )}
    </div>
  )
}

/** drawChosen marks a slot whatever its bar: by a band, and by a line at its foot. */
function drawChosen(plot: uPlot, slot: number, band: string, mark: string): void {
  if (slot < 0) return
  drawBand(plot, slot, band)
  const [from, to] = [plot.valToPos(slot - 0.5, 'x', true), plot.valToPos(slot + 0.5, 'x', true)]
  const foot = Math.round(3 * devicePixelRatio)
  plot.ctx.save()
  // The slot may lie beside the hours that are shown.
  plot.ctx.beginPath()
  plot.ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height)
  plot.ctx.clip()
  plot.ctx.fillStyle = mark
  // The least width that is seen among thousands.
  plot.ctx.fillRect(from, plot.bbox.top + plot.bbox.height - foot, Math.max(foot, to - from), foot)
  plot.ctx.restore()
}

function bars(name: string, many: boolean, fill: uPlot.Series.Fill = colour(name)): uPlot.Series {
  const paths = uPlot.paths.bars!({ size: [many ? 1 : 0.78, 46, many ? 2 : 1], radius: many ? 0 : 0.12 })
  return { paths, fill, width: 0, points: { show: false } }
}

/** useBars is one column of all bars, and one each of the two that stand out, and of those that still run. */
function useBars(
  slots: readonly Slot[],
  { lo, hi }: Window,
  totals: ReadonlyMap<number, HourTotals>,
  chosen: number,
  compared: number,
  now: number,
): uPlot.AlignedData {
  return useMemo(() => {
    const places: number[] = []
    const all: (number | null)[] = []
    const one = (hour: number) => all.map((bar, i) => (slots[lo + i] === hour ? bar : null))
    for (let slot = lo; slot < hi; slot++) {
      const found = slots[slot] == null ? undefined : totals.get(slots[slot]!)
      places.push(slot)
      all.push(found ? Number(bytesOf(found)) : null)
    }
    const running = all.map((bar, i) => (slots[lo + i] != null && isRunning(slots[lo + i]!, now) ? bar : null))
    return [places, all, one(compared), one(chosen), running]
  }, [slots, lo, hi, totals, chosen, compared, now])
}

function hourAt(slots: readonly Slot[], plot: uPlot, left: number): number | null {
  if (left < 0) return null
  return slots[Math.round(plot.posToVal(left, 'x'))] ?? null
}

function pick(plot: uPlot, event: MouseEvent, { slots, onChoose }: HourBarsProps): void {
  if (plot.select.width > 0) return
  const hour = hourAt(slots, plot, event.clientX - plot.over.getBoundingClientRect().left)
  if (hour !== null) onChoose(hour)
}

function zoom(plot: uPlot, { onZoom }: HourBarsProps): void {
  const { left, width } = plot.select
  if (width <= 0) return
  const lo = Math.round(plot.posToVal(left, 'x'))
  const hi = Math.round(plot.posToVal(left + width, 'x')) + 1
  // The click that ends the drawing comes after this, and must not choose an hour.
  setTimeout(() => plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false))
  onZoom({ lo, hi: Math.max(hi, lo + smallestZoom) })
}
