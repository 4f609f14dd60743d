import { useEffect, useState } from 'preact/hooks'
import { Spark } from '../charts/spark'
import { count } from '../data/format'
import { ask } from '../data/client'
import type { Live, Status } from '../data/live'
import { openapiUrl, metricsUrl, versionUrl } from '../data/queries'
import { Choice, IconButton } from '../parts/controls'
import { Logo } from '../parts/icons'
import type { Theme } from '../theme'

interface HeaderProps {
  live: Live
  status: Status
  theme: Theme
  onTheme: (theme: Theme) => void
}

const themeOptions = [
  { value: 'auto', text: 'Theme of the system', icon: 'auto' },
  { value: 'light', text: 'Light theme', icon: 'light' },
  { value: 'dark', text: 'Dark theme', icon: 'dark' },
] as const

export function Header({ live, status, theme, onTheme }: HeaderProps) {
  return (
    <header class="top">
      <h1>
        <Logo />
        flowd
        <span class="unseen">: who talked to whom, hour by hour</span>
      </h1>
      <Rate status={status} />
      <IconButton icon="refresh" label="Read anew" onClick={live.refresh} testid="refresh" />
      <Choice label="Theme" options={themeOptions} value={theme} onChoose={onTheme} testid="theme" />
    </header>
  )
}

/** Rate is how many flows the server takes now, and how that went. */
function Rate({ status }: { status: Status }) {
  const rate = status.rates.at(-1)
  const text = status.down ? 'no answer' : rate === undefined ? '…' : `${count(Math.round(rate))} flows/s`
  return (
    <div class={status.down ? 'rate down' : 'rate'} title="Flows that the server accepts, over the last two minutes">
      <Spark values={status.rates} most={60} />
      <span class="dot" aria-hidden="true" />
      <span class="unseen">Ingest: </span>
      <span class="rate-text" data-testid="rate">
        {text}
      </span>
    </div>
  )
}

/** Banner says that the server does not answer, and since when; what is shown stays. */
export function Banner({ live, status }: { live: Live; status: Status }) {
  const down = status.down
  if (!down) return null
  const since = new Date(down.since).toISOString().slice(11, 19)
  return (
    <div class="banner" data-testid="banner">
      <p role="alert">
        The server has not answered since {since} UTC. {status.hours ? 'What you see is from before. ' : ''}
        The page tries again by itself.
      </p>
      <Countdown until={down.nextTry} />
      <button type="button" onClick={live.wake} data-testid="try-now">
        Try now
      </button>
    </div>
  )
}

/** Countdown is for the eye: a screen reader would read out every second. */
function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [])
  return (
    <span class="countdown" aria-hidden="true">
      {until > now ? `in ${Math.ceil((until - now) / 1000)} s` : 'now …'}
    </span>
  )
}

export function Footer({ comebacks }: { comebacks: number }) {
  const [version, setVersion] = useState('')
  useEffect(() => {
    ask<{ version: string }>(versionUrl).then(
      ({ data }) => setVersion(data.version),
      // Without it the page is as good.
      () => undefined,
    )
  }, [comebacks])
  return (
    <footer class="bottom">
      <span data-testid="version">flowd {version}</span>
      <a href={openapiUrl}>API description</a>
      <a href={metricsUrl}>Metrics</a>
      <Licences />
      <span>Times are UTC. Bytes are counted by powers of 1,000.</span>
    </footer>
  )
}

/** Licences shows what the licences of others ask to be shown; it is loaded when it is opened. */
function Licences() {
  const [text, setText] = useState('')
  const open = async (event: Event) => {
    if (!(event.currentTarget as HTMLDetailsElement).open || text !== '') return
    const loaded = await import('virtual:licences').catch(() => null)
    setText(loaded?.default ?? 'The licences could not be loaded from the server.')
  }
  return (
    <details class="licences" onToggle={(event) => void open(event)} data-testid="licences">
      <summary>Licences</summary>
      <pre tabIndex={0}>{text}</pre>
    </details>
  )
}
