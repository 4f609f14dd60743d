import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Asked } from '../hooks'
import { usePage } from '../page'

interface PanelProps {
  title: string
  /** Where the question stands that the panel shows the answer to. */
  asked: Asked<unknown>
  /** What stands below the title: how much of what is shown. */
  note?: ComponentChildren
  tools?: ComponentChildren
  className?: string
  testid: string
  children: ComponentChildren
}

/** Panel is a part of the page with a heading, and a place for what went wrong with it. */
export function Panel({ title, asked, note, tools, className = '', testid, children }: PanelProps) {
  const heading = useId()
  return (
    <section class={`panel ${className}`} aria-labelledby={heading} aria-busy={asked.busy} data-testid={testid}>
      <header class="panel-head">
        <div class="panel-title">
          <h2 id={heading}>{title}</h2>
          {note && <p>{note}</p>}
        </div>
        {tools && <div class="tools">{tools}</div>}
      </header>
      <Failure asked={asked} testid={`${testid}-failure`} />
      {children}
    </section>
  )
}

/** Failure says why there is no answer, and whether what is shown is an older one. */
function Failure({ asked, testid }: { asked: Asked<unknown>; testid: string }) {
  // While nobody gets an answer, the banner, or the form for a token, says so once.
  const { down, access } = usePage().status
  const known = down !== null || access.wanted !== null
  if (asked.failure === null || (known && !asked.outdated)) return null
  const outdated = asked.outdated && 'What is shown is of the choice before. '
  if (known) return <p class="failure">{outdated}</p>
  return (
    <p class="failure" role="alert" data-testid={testid}>
      <span>
        {outdated}
        {asked.failure}
        {asked.wait !== null && ` The page asks again after ${asked.wait} s.`}
      </span>
      {asked.wait === null && (
        <button type="button" onClick={asked.again}>
          Try again
        </button>
      )}
    </p>
  )
}

/** emptyText is what stands where rows would: none, if the answer has none. */
export function emptyText(asked: Asked<unknown>, none: string): string {
  if (asked.data !== null) return none
  return asked.failure === null ? 'Reading …' : 'Nothing could be read.'
}
