import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { RefObject } from 'preact'
import type { Live, Status } from '../data/live'
import { tokenIn } from '../data/token'

/** Entry takes a token. What is shown below it stays, and goes on once the server took the token. */
export function Entry({ live, status }: { live: Live; status: Status }) {
  const { wanted } = status.access
  const form = useRef<HTMLFormElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const [fault, setFault] = useState<string | null>(null)
  const title = useId()
  const input = useId()
  const message = useId()
  useReturn(form)
  useEffect(() => {
    // Nothing else can be done; also after a token that the server did not take.
    if (wanted) field.current?.focus()
  }, [wanted])

  const submit = (event: Event) => {
    // The address of the page must not get what is in the form.
    event.preventDefault()
    const text = field.current!.value
    // It shall not stand in the document any longer than it takes to write it.
    field.current!.value = ''
    const token = tokenIn(text)
    setFault(token !== null ? null : text === '' ? 'There is no token in the field.' : notToken)
    if (token !== null) live.offer(token)
    else field.current!.focus()
  }
  const refused = fault ?? (status.access.trying ? null : (wanted?.refused ?? null))
  return (
    <form class="panel start" ref={form} onSubmit={submit} aria-labelledby={title} data-testid="token-form">
      <h2 id={title}>{wanted ? 'This server wants a token' : 'Enter a token'}</h2>
      <p>
        Whoever runs the server gives out tokens. The page keeps yours for this tab alone, until you forget it, and
        sends it to this server alone.
      </p>
      {!isSecureContext && (
        <p class="warning">The way to this server is not encrypted: whoever is on it could read the token.</p>
      )}
      <div class="entry">
        <label for={input}>Token</label>
        {/* Without a name the field is no part of what a form sends. */}
        <input
          ref={field}
          id={input}
          type="password"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={refused !== null}
          aria-describedby={message}
          data-testid="token-field"
        />
        <button type="submit" class="primary" data-testid="token-submit">
          Use the token
        </button>
      </div>
      <div id={message} data-testid="token-message">
        <p role="alert" class="warning">
          {refused}
        </p>
        <p role="status">{fault === null && status.access.trying && underWay(status)}</p>
      </div>
    </form>
  )
}

const notToken = 'A token is one word of letters, digits and signs, without spaces; that was none.'

/** underWay is what there is to say while the server has not taken the token. */
function underWay({ down, paused, refused }: Status): string {
  if (down || paused) return 'The page tries the token as soon as it may ask the server again.'
  return refused ? `${refused.message} The page tries the token again by itself.` : 'Asking the server …'
}

/**
 * useReturn gives the focus back when form goes, with the page scrolled as it was: who is asked in the midst of something
 * goes on with that.
 */
function useReturn(form: RefObject<HTMLElement | null>): void {
  // Read before the form is in the document: that moves what is below it.
  const [before] = useState(() => ({ focus: document.activeElement, x: scrollX, y: scrollY }))
  useLayoutEffect(() => {
    const element = form.current
    return () => {
      // Who went elsewhere by now stays there.
      if (!element?.contains(document.activeElement)) return
      requestAnimationFrame(() => {
        const { focus, x, y } = before
        const there = focus instanceof HTMLElement && focus !== document.body && focus.isConnected
        const next = there ? focus : document.getElementById('main')
        next?.focus({ preventScroll: true })
        scrollTo(x, y)
      })
    }
  }, [form, before])
}
