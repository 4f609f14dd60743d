import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Refusal } from '../data/client'
import { bytes } from '../data/format'
import type { Live, Status } from '../data/live'

interface DownloadProps {
  live: Live
  status: Status
  url: string
  /** What the file is called. */
  name: string
  title: string
  className: string
  testid: string
  children: ComponentChildren
  /** Makes what is saved of the text that came. */
  edit?: (text: string) => string
}

/**
 * Download gives the answer to url as a file: by a link, where the browser can ask by itself, or by asking for it here, as
 * a link would not show a token, and saves what came as it is.
 */
export function Download(props: DownloadProps) {
  const { status, url, name, title, className, testid, children, edit } = props
  const { held, wanted } = status.access
  if (held || wanted || edit) return <Asking key={url} {...props} />
  return (
    <a class={className} href={url} download={name} {...{ title }} data-testid={testid}>
      {children}
    </a>
  )
}

function Asking({ live, url, name, title, className, testid, children, edit }: DownloadProps) {
  const [came, setCame] = useState<number | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const stop = useRef<AbortController | null>(null)
  useEffect(() => () => stop.current?.abort(), [])

  const start = async () => {
    const mine = (stop.current = new AbortController())
    setFailure(null)
    setCame(0)
    try {
      const file = await live.download(url, mine.signal, setCame)
      save(edit ? new Blob([edit(await file.text())], { type: file.type }) : file, name)
    } catch (error) {
      if (!mine.signal.aborted) setFailure(textOf(error as Error))
    }
    setCame(null)
  }
  const loading = came !== null
  return (
    <span class="download">
      <button
        type="button"
        class={className}
        aria-busy={loading}
        title={loading ? 'Stop the download' : title}
        onBlur={() => setFailure(null)}
        onClick={() => (loading ? stop.current?.abort() : void start())}
        data-testid={testid}
      >
        {children}
        {loading && (
          <>
            {' '}
            <span aria-hidden="true">{bytes(came)} ×</span>
            <span class="unseen">is being read; stop</span>
          </>
        )}
      </button>
      <span class={failure === null ? 'unseen' : 'hint wrong'} role="alert" data-testid={`${testid}-failure`}>
        {failure}
      </span>
    </span>
  )
}

function textOf(error: Error): string {
  const wait = error instanceof Refusal ? error.wait : null
  return wait === null ? error.message : `${error.message} Try again after ${wait} s.`
}

const savingMillis = 60_000

/** save hands a file to the browser, which asks where to, or puts it where it puts all. */
function save(file: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  // The browser reads it after this; how long, nobody tells.
  setTimeout(() => URL.revokeObjectURL(link.href), savingMillis)
}
