// Small drawings; what they mean is said by the text or the label beside them.

const drawings = {
  left: 'M10 3 5 8l5 5',
  right: 'm6 3 5 5-5 5',
  down: 'm3.5 6 4.5 4.5L12.5 6',
  close: 'm4 4 8 8m0-8-8 8',
  refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  download: 'M8 2v8m-3.5-3L8 10.5 11.5 7M3 13.5h10',
  auto: 'M8 2.5a5.5 5.5 0 1 0 0 11zm0 0a5.5 5.5 0 0 1 0 11',
  light:
    'M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6M8 1v1.5m0 11V15M1 8h1.5m11 0H15M3 3l1 1m8 8 1 1M3 13l1-1m8-8 1-1',
  dark: 'M13 9.6A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.6z',
  up: 'M8 13V3M4 7l4-4 4 4',
  fall: 'M8 3v10m-4-4 4 4 4-4',
} as const

export type IconName = keyof typeof drawings

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={drawings[name]} />
    </svg>
  )
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" />
      <path class="wide" d="M6 11c9 0 11 10 20 10" />
      <path class="narrow" d="M6 21c9 0 11-10 20-10" />
    </svg>
  )
}
