const width = 96
const height = 22

/** Spark is a line of the last values, newest at the right; what it says is said by the text beside it. */
export function Spark({ values, most }: { values: readonly number[]; most: number }) {
  if (values.length < 2) return <svg class="spark" viewBox={`0 0 ${width} ${height}`} aria-hidden="true" />
  const top = Math.max(...values, 1) * 1.1
  const step = width / (most - 1)
  const left = width - (values.length - 1) * step
  const points = values.map(
    (value, i) => `${(left + i * step).toFixed(1)},${(height - 1 - (value / top) * (height - 2)).toFixed(1)}`,
  )
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`${left.toFixed(1)},${height} ${points.join(' ')} ${width},${height}`} />
      <polyline points={points.join(' ')} />
    </svg>
  )
}
