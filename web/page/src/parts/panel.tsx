import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Asked } from '../hooks'
import { hourText, isRunning } from '../data/hours'
import { fields, type View } from '../data/view'
import { usePage } from '../page'

interface PanelProps {
  title: string
  /** Where the question stands that the panel shows the answer to. */
  asked: Asked<unknown>
  /** The hour that the question is of, if it is not the one that the page shows. */
  hour?: number | undefined
  /** What stands below the title: how much of what is shown. */
  note?: ComponentChildren
  tools?: ComponentChildren
  className?: string
  testid: string
  children: ComponentChildren
}

/** Panel is a part of the page with a heading, and a place for what went wrong with it. */
export function Panel({ title, asked, hour, note, tools, className = '', testid, children }: PanelProps) {
  const heading = useId()
  const { now } = usePage()
  const { about } = asked
  // What is compared says so itself, of each of the two hours.
  const soFar = note && about !== null && about.before === undefined && isRunning(about.hour, now)
  return (
    <section class={`panel ${className}`} aria-labelledby={heading} aria-busy={asked.busy} data-testid={testid}>
      <header class="panel-head">
        <div class="panel-title">
          <h2 id={heading}>{title}</h2>
          {(note || asked.stale) && (
            <p>
              <Stale {...{ asked, hour }} testid={`${testid}-stale`} />
              {soFar && 'So far: '}
              {note}
            </p>
          )}
        </div>
        {tools && <div class="tools">{tools}</div>}
      </header>
      <Failure {...{ asked, hour }} testid={`${testid}-failure`} />
      {children}
    </section>
  )
}

interface OfPanel {
  asked: Asked<unknown>
  hour: number | undefined
  testid: string
}

/** Stale says what is shown while the answer to another question is awaited, or failed. */
function Stale({ asked, hour, testid }: OfPanel) {
  const page = usePage()
  if (!asked.stale) return null
  return (
    <strong class="stale" data-testid={testid}>
      Still {olderOf(asked, hour ?? page.hour)}.{' '}
    </strong>
  )
}

/** olderOf names what an answer is of that is not the one that was asked for last. */
function olderOf({ about }: Asked<unknown>, hour: number): string {
  return about !== null && about.hour !== hour ? hourText(about.hour) : 'the choice before'
}

/** Failure says why there is no answer, and whether what is shown is an older one. */
function Failure({ asked, hour, testid }: OfPanel) {
  // While nobody gets an answer, the banner, or the form for a token, says so once.
  const page = usePage()
  const { down, access } = page.status
  const known = down !== null || access.wanted !== null
  if (asked.failure === null || (known && !asked.stale)) return null
  const outdated = asked.stale && `What is shown is of ${olderOf(asked, hour ?? page.hour)}. `
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

/** matching is one text where rows had to match a filter, the other where none was asked for. */
export function matching(view: View, match: string, all: string): string {
  return fields.some((field) => view.filters[field].length > 0) ? match : all
}

/** noFlows says that an hour has no rows. */
export function noFlows(view: View): string {
  return matching(view, 'No flows of this hour match.', 'This hour has no flows.')
}

/** emptyText is what stands where rows would: none, if the answer has none. */
export function emptyText(asked: Asked<unknown>, none: string): string {
  if (asked.data !== null && !asked.stale) return none
  return asked.failure === null ? 'Reading …' : 'Nothing could be read.'
}
