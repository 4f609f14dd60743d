import { useEffect, useRef } from 'preact/hooks'
import { bytesOf, isRunning, type HourTotals, type Slot, type Window } from '../data/hours'
import { useWidth } from '../hooks'
import { colour } from '../theme'
import { hatch } from './plot'

interface OverviewProps {
  slots: readonly Slot[]
  window: Window
  totals: ReadonlyMap<number, HourTotals>
  /** The hour of the clock: it and those after it still run. */
  now: number
  dark: boolean
  /** The slot that the window should begin with. */
  onMove: (lo: number) => void
}

const height = 30

/**
 * Overview is all hours in a strip, with the part that the bars show; it is drawn along by a pointer. Hours that still run
 * are hatched, as in the bars.
 */
export function Overview({ slots, window, totals, now, dark, onMove }: OverviewProps) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const width = useWidth(box)
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, width, slots, totals, now)
  }, [width, slots, totals, now, dark])

  const size = window.hi - window.lo
  const move = (event: PointerEvent) => {
    if (!box.current || event.buttons !== 1) return
    const at = (event.clientX - box.current.getBoundingClientRect().left) / width
    onMove(Math.max(0, Math.min(slots.length - size, Math.round(at * slots.length - size / 2))))
  }
  return (
    <div
      class="overview"
      ref={box}
      aria-hidden="true"
      data-testid="hours-overview"
      title={slots.some((hour) => runs(hour, totals, now)) ? 'Hatched: still running, so far' : undefined}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        move(event)
      }}
      onPointerMove={move}
    >
      <canvas ref={canvas} />
      <div
        class="overview-window"
        style={{ left: `${(100 * window.lo) / slots.length}%`, width: `${(100 * size) / slots.length}%` }}
      />
    </div>
  )
}

/** runs tells whether there is a bar of an hour that may still grow. */
function runs(hour: Slot, totals: ReadonlyMap<number, HourTotals>, now: number): boolean {
  return hour !== null && isRunning(hour, now) && totals.has(hour)
}

function draw(
  canvas: HTMLCanvasElement,
  width: number,
  slots: readonly Slot[],
  totals: ReadonlyMap<number, HourTotals>,
  now: number,
) {
  const dense = devicePixelRatio
  canvas.width = Math.round(width * dense)
  canvas.height = Math.round(height * dense)
  const highest = new Float64Array(canvas.width)
  const running = new Set<number>()
  // Several hours share a pixel, and the highest is what one looks for. If one of them runs, it may yet be another.
  slots.forEach((hour, slot) => {
    const found = hour === null ? undefined : totals.get(hour)
    if (!found) return
    const from = Math.floor((slot * canvas.width) / slots.length)
    const to = Math.max(from + 1, Math.floor(((slot + 1) * canvas.width) / slots.length))
    const value = Number(bytesOf(found))
    for (let x = from; x < to; x++) {
      highest[x] = Math.max(highest[x]!, value)
      if (runs(hour, totals, now)) running.add(x)
    }
  })
  const top = highest.reduce((a, b) => Math.max(a, b), 1)
  const context = canvas.getContext('2d')!
  const bars = (pixels: Iterable<number>, fill: string | CanvasPattern) => {
    context.fillStyle = fill
    for (const x of pixels) {
      const bar = (highest[x]! / top) * (canvas.height - 2)
      context.fillRect(x, canvas.height - bar, 1, bar)
    }
  }
  bars(highest.keys(), colour('--bar'))
  bars(running, hatch('--surface'))
}
