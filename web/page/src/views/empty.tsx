import { useRef, useState } from 'preact/hooks'
import { curlOfFirstFlow } from '../data/queries'

/** Empty is the page of a server that has no flows yet, or none that the token may read: how to post the first. */
export function Empty({ withToken }: { withToken: boolean }) {
  const line = useRef<HTMLElement>(null)
  const [copied, setCopied] = useState('')
  const now = useRef(Date.now() / 1000).current
  const text = curlOfFirstFlow(document.baseURI, now, withToken)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied('Copied')
    } catch {
      // The clipboard is for pages of https and of this machine; elsewhere a hand copies.
      getSelection()?.selectAllChildren(line.current!)
      setCopied('Selected, copy it with Ctrl+C')
    }
  }
  return (
    <section class="panel start" aria-labelledby="empty-title" data-testid="empty">
      <h2 id="empty-title">No flows yet</h2>
      <p>
        The server runs and has nothing to show{withToken && ' to this token'}. Post the first flow from a terminal;
        this page shows it by itself.
        {withToken && ' The variable FLOWD_TOKEN is to hold a token that may write.'}
      </p>
      <pre tabIndex={0} aria-label="Command that posts a flow">
        <code ref={line} data-testid="curl">
          {text}
        </code>
      </pre>
      <p class="start-tools">
        <button type="button" class="primary" onClick={() => void copy()} data-testid="copy-curl">
          Copy
        </button>
        <span role="status">{copied}</span>
      </p>
    </section>
  )
}
