import { useEffect, useRef } from 'preact/hooks'
import { bytesOf, type HourTotals, type Slot, type Window } from '../data/hours'
import { useWidth } from '../hooks'
import { colour } from '../theme'

interface OverviewProps {
  slots: readonly Slot[]
  window: Window
  totals: ReadonlyMap<number, HourTotals>
  dark: boolean
  /** The slot that the window should begin with. */
  onMove: (lo: number) => void
}

const height = 30

/** Overview is all hours in a strip, with the part that the bars show; it is drawn along by a pointer. */
export function Overview({ slots, window, totals, dark, onMove }: OverviewProps) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const width = useWidth(box)
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, width, slots, totals)
  }, [width, slots, totals, dark])

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

function draw(
  canvas: HTMLCanvasElement,
  width: number,
  slots: readonly Slot[],
  totals: ReadonlyMap<number, HourTotals>,
) {
  const dense = devicePixelRatio
  canvas.width = Math.round(width * dense)
  canvas.height = Math.round(height * dense)
  const highest = new Float64Array(canvas.width)
  // Several hours share a pixel, and the highest is what one looks for.
  slots.forEach((hour, slot) => {
    const found = hour === null ? undefined : totals.get(hour)
    if (!found) return
    const from = Math.floor((slot * canvas.width) / slots.length)
    const to = Math.max(from + 1, Math.floor(((slot + 1) * canvas.width) / slots.length))
    const value = Number(bytesOf(found))
    for (let x = from; x < to; x++) highest[x] = Math.max(highest[x]!, value)
  })
  const top = highest.reduce((a, b) => Math.max(a, b), 1)
  const context = canvas.getContext('2d')!
  context.fillStyle = colour('--bar')
  highest.forEach((value, x) => {
    const bar = (value / top) * (canvas.height - 2)
    context.fillRect(x, canvas.height - bar, 1, bar)
  })
}
