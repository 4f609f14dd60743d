import { useEffect, useState } from 'preact/hooks'
import { Spark } from '../charts/spark'
import { count } from '../data/format'
import { ask, type Refusal } from '../data/client'
import type { Live, Status } from '../data/live'
import { openapiUrl, metricsUrl, versionUrl } from '../data/queries'
import { Choice, IconButton } from '../parts/controls'
import { Download } from '../parts/download'
import { Logo } from '../parts/icons'
import type { Theme } from '../theme'

interface HeaderProps {
  live: Live
  status: Status
  theme: Theme
  onTheme: (theme: Theme) => void
  onForget: () => void
}

const themeOptions = [
  { value: 'auto', text: 'Theme of the system', icon: 'auto' },
  { value: 'light', text: 'Light theme', icon: 'light' },
  { value: 'dark', text: 'Dark theme', icon: 'dark' },
] as const

export function Header({ live, status, theme, onTheme, onForget }: HeaderProps) {
  return (
    <header class="top">
      <h1>
        <Logo />
        flowd
        <span class="unseen">: who talked to whom, hour by hour</span>
      </h1>
      <Rate status={status} />
      {status.access.held && (
        <button
          type="button"
          onClick={onForget}
          title="What was read with it is dropped as well"
          data-testid="forget-token"
        >
          Forget the token
        </button>
      )}
      <IconButton icon="refresh" label="Read anew" onClick={live.refresh} testid="refresh" />
      <Choice label="Theme" options={themeOptions} value={theme} onChoose={onTheme} testid="theme" />
    </header>
  )
}

/** Rate is how many flows the server takes now, and how that went. */
function Rate({ status }: { status: Status }) {
  const { down, noRate, access } = status
  const rate = status.rates.at(-1)
  if (!down && (noRate || access.wanted)) return <NoRate refusal={noRate} />
  const text = down ? 'no answer' : rate === undefined ? '…' : `${count(Math.round(rate))} flows/s`
  return (
    <div class={down ? 'rate down' : 'rate'} title="Flows that the server accepts, over the last two minutes">
      <Spark values={status.rates} most={60} />
      <span class="dot" aria-hidden="true" />
      <span class="unseen">Ingest: </span>
      <span class="rate-text" data-testid="rate">
        {text}
      </span>
    </div>
  )
}

/** NoRate says why there is none: the server does not show it to this token, or to nobody without one. */
function NoRate({ refusal }: { refusal: Refusal | null }) {
  const text = refusal?.status === 403 ? 'no rate without the scope metrics' : 'no rate'
  return (
    <p class="rate none" title={refusal?.message}>
      <span class="unseen">Ingest: </span>
      <span data-testid="rate">{text}</span>
      {refusal && <span class="unseen">. {refusal.message}</span>}
    </p>
  )
}

/** Banner says that the server does not answer, or does not want to be asked, and since or until when; what is shown stays. */
export function Banner({ live, status }: { live: Live; status: Status }) {
  const { down, paused } = status
  if (paused) {
    return (
      <div class="banner" data-testid="banner">
        <p role="alert">{paused.detail} The page waits for as long as the server says, and goes on by itself.</p>
        <Countdown until={paused.until} />
      </div>
    )
  }
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

export function Footer({ live, status }: { live: Live; status: Status }) {
  const { comebacks } = status
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
      <Metrics {...{ live, status }} />
      <Licences />
      <span>Times are UTC. Bytes are counted by powers of 1,000.</span>
    </footer>
  )
}

/** Metrics leads to the metrics, where the server shows them. */
function Metrics({ live, status }: { live: Live; status: Status }) {
  if (status.noRate || status.access.wanted) return null
  // A browser that follows a link shows no token.
  if (!status.access.held) return <a href={metricsUrl}>Metrics</a>
  return (
    <Download
      {...{ live, status }}
      className="link"
      url={metricsUrl}
      name="flowd-metrics.txt"
      title="Download the metrics of the server"
      testid="metrics"
    >
      Metrics
    </Download>
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
