import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { namesUrl } from '../data/queries'
import type { Field } from '../data/view'
import { useDelayed } from '../hooks'
import { usePage } from '../page'
import { Name } from './cells'
import { Icon } from './icons'

const mostSuggestions = 12
const typingMillis = 120

/** NameFilter keeps rows by the names of a field: whole ones, or prefixes that end in *. It completes what is typed. */
export function NameFilter({ field, label }: { field: Field; label: string }) {
  const { view, go } = usePage()
  const values = view.filters[field]
  const input = useRef<HTMLInputElement>(null)
  const set = (next: string[]) => go((now) => ({ filters: { ...now.filters, [field]: next } }))
  const drop = (value: string) => {
    set(values.filter((one) => one !== value))
    input.current?.focus()
  }
  const id = useId()
  return (
    <div class="filter" data-testid={`filter-${field}`} role="group" aria-label={`Filter by ${label}`}>
      <label for={id}>{label}</label>
      <div class="filter-box" onClick={(event) => event.target === event.currentTarget && input.current?.focus()}>
        {values.map((value) => (
          <span class="token" key={value}>
            <span class="token-text" title={value}>
              <Name value={value} />
            </span>
            <button type="button" aria-label={`Remove ${label} ${value}`} onClick={() => drop(value)}>
              <Icon name="close" />
            </button>
          </span>
        ))}
        <Completion
          {...{ id, field, label, input }}
          placeholder={values.length === 0 ? 'any, or a prefix*' : ''}
          onChoose={(value) => !values.includes(value) && set([...values, value])}
          onBack={() => values.length > 0 && set(values.slice(0, -1))}
        />
      </div>
    </div>
  )
}

interface CompletionProps {
  id: string
  field: Field
  label: string
  placeholder: string
  input: { current: HTMLInputElement | null }
  onChoose: (value: string) => void
  /** Backspace in an empty field. */
  onBack: () => void
}

function Completion({ id, field, label, placeholder, input, onChoose, onBack }: CompletionProps) {
  const [text, setText] = useState('')
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState(-1)
  const list = useId()
  // What was offered before the last letters, and does not fit them, must not be chosen by a fast hand.
  const prefix = text.replace(/\*$/, '')
  const names = useNames(field, prefix, open).filter((name) => name.startsWith(prefix))
  // A prefix is offered as well: it is what one cannot guess that one may type.
  const options = text !== '' && !text.endsWith('*') && names.length > 1 ? [`${text}*`, ...names] : names

  const close = () => {
    setOpen(false)
    setAt(-1)
  }
  const choose = (value: string) => {
    if (value.trim() !== '') onChoose(value)
    setText('')
    close()
  }
  // What stands in the field looks like a filter, so it becomes one when the field is left; another window leaves nothing.
  const onBlur = () => {
    if (document.activeElement !== input.current) choose(text)
  }
  const shown = open && options.length > 0
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      setOpen(true)
      const step = event.key === 'ArrowDown' ? 1 : -1
      // One place more than options: that of the text itself.
      const places = options.length + 1
      setAt(((at + 1 + step + places) % places) - 1)
    } else if (event.key === 'Enter') choose(options[at] ?? text)
    else if (event.key === 'Escape') {
      // A second one takes back what was typed, which would be applied when the field is left.
      if (!shown) setText('')
      close()
    } else if (event.key === 'Backspace' && text === '') onBack()
  }
  return (
    <>
      <input
        ref={input}
        {...{ id, placeholder, onKeyDown }}
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={shown}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shown && at >= 0 ? `${list}-${at}` : undefined}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value)
          setOpen(true)
          setAt(-1)
        }}
        onFocus={() => setOpen(true)}
        onBlur={onBlur}
        data-testid={`filter-${field}-input`}
      />
      <Options {...{ list, options, at }} label={`${label} names`} hidden={!shown} onChoose={choose} />
    </>
  )
}

interface OptionsProps {
  list: string
  label: string
  hidden: boolean
  options: readonly string[]
  at: number
  onChoose: (option: string) => void
}

function Options({ list, label, hidden, options, at, onChoose }: OptionsProps) {
  const press = (event: Event, option: string) => {
    // Before the field loses the focus, and with it the list.
    event.preventDefault()
    onChoose(option)
  }
  return (
    <ul
      id={list}
      role="listbox"
      aria-label={label}
      hidden={hidden}
      class="options"
      // A list that scrolls would be a stop of Tab, and vanish with the focus; the arrow keys of the field go through it.
      tabIndex={-1}
      onMouseDown={(event) => event.preventDefault()}
    >
      {options.map((option, i) => (
        <li
          key={option}
          id={`${list}-${i}`}
          role="option"
          aria-selected={i === at}
          onPointerDown={(event) => press(event, option)}
        >
          <Name value={option} />
        </li>
      ))}
    </ul>
  )
}

/** useNames is names of the shown hour that begin with what was typed, a moment ago, while wanted. */
function useNames(field: Field, typed: string, wanted: boolean): string[] {
  const { hour, live } = usePage()
  const prefix = useDelayed(typed, typingMillis)
  const [names, setNames] = useState<string[]>([])
  useEffect(() => {
    if (!wanted) return undefined
    const stop = new AbortController()
    live.ask<string[]>(namesUrl(field, prefix, hour, mostSuggestions), stop.signal).then(
      ({ data }) => stop.signal.aborted || setNames(data),
      // Names can be typed without help, and whether the server answers, the banner says.
      () => stop.signal.aborted || setNames([]),
    )
    return () => stop.abort()
  }, [live, field, prefix, hour, wanted])
  return names
}
