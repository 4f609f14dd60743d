import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { EChartsType } from 'echarts/core'
import { useWidth } from '../hooks'
import { spotOf, type ChartSize, type Spot } from './map-options'

interface MapChartProps {
  /** Makes the options; it is called again when parts change, or the width. */
  options: (size: ChartSize) => Record<string, unknown>
  parts: unknown[]
  height: number
  label: string
  onPick: (spot: Spot) => void
  tip: (spot: Spot) => ComponentChildren
}

/** MapChart shows a chart of ECharts. Its tooltip is of the document, so that a name in it is text. */
export function MapChart({ options, parts, height, label, onPick, tip }: MapChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const width = useWidth(box)
  const [chart, setChart] = useState<EChartsType | null>(null)
  const [failed, setFailed] = useState(false)
  const [hover, setHover] = useState<{ spot: Spot; x: number; y: number } | null>(null)
  const pick = useRef(onPick)
  pick.current = onPick

  useEffect(() => {
    let made: EChartsType | null = null
    let gone = false
    import('./echarts').then(
      ({ newChart }) => {
        if (gone || !box.current) return
        made = newChart(box.current)
        listen(made, setHover, (spot) => pick.current(spot))
        setChart(made)
      },
      () => setFailed(true),
    )
    return () => {
      gone = true
      made?.dispose()
      setChart(null)
    }
  }, [])
  useEffect(() => {
    if (!chart || width === 0) return
    chart.resize({ width, height })
    chart.setOption(options({ width, height }), { notMerge: true })
    setHover(null)
  }, [chart, width, height, ...parts])

  const left = hover !== null && hover.x > width / 2
  return (
    <div class="map-chart">
      <div ref={box} role="img" aria-label={label} style={{ height: `${height}px` }} />
      {failed && <p class="failure">The chart could not be loaded from the server. The table has the same.</p>}
      {hover && (
        <div class={left ? 'tip to-left' : 'tip'} style={{ left: `${hover.x}px`, top: `${hover.y}px` }}>
          {tip(hover.spot)}
        </div>
      )}
    </div>
  )
}

type Hover = { spot: Spot; x: number; y: number } | null

interface ChartEvent {
  data?: unknown
  event?: { offsetX: number; offsetY: number }
}

function listen(chart: EChartsType, onHover: (hover: Hover) => void, onPick: (spot: Spot) => void): void {
  const follow = (raw: unknown) => {
    const { data, event } = raw as ChartEvent
    const spot = spotOf(data)
    onHover(spot && event ? { spot, x: event.offsetX, y: event.offsetY } : null)
  }
  chart.on('mousemove', follow)
  chart.on('mouseout', () => onHover(null))
  chart.on('click', (raw) => {
    const spot = spotOf((raw as ChartEvent).data)
    if (spot) onPick(spot)
  })
}
