// The page from above: what is known of the server decides what is shown, the address decides of what.
//
// For tests of the page in a browser, each part carries a data-testid:
//
//   all views  rate, refresh, theme, banner, try-now, announcer, version, metrics, licences,
//              tab-talkers, tab-map, tab-changes, tab-ends
//   hours      hours, hour-name, hour-slider (role slider), hour-before, hour-after, hour-field, follow, compare-running, hour-kind, span,
//              hours-overview, totals, total-total, total-sent, total-received, total-flows, total-tuples
//   filters    filters, filter-FIELD, filter-FIELD-input (role combobox), clear-filters, group-by, group-FIELD, units;
//              FIELD is src_app, dest_app or vpc_id
//   talkers    talkers, talkers-table, sort-COLUMN (FIELD, bytes_tx, bytes_rx, bytes_total), limit, talkers-csv;
//              series, series-legend, series-table, series-csv, clear-rows; map-compact, open-map, changes-compact, open-changes
//   map        map, map-form, map-links, map-table, map-csv
//   changes    changes, changes-table, changes-order, against, against-hour, limit, changes-csv
//   ends       ends, ends-table, sort-disagreement, sort-bytes_total, limit, ends-csv
//   token      token-form, token-field, token-submit, token-message, forget-token
//   others     rows-note (in each table's panel), PANEL-failure, PANEL-stale (what its rows are of, while others are awaited), BUTTON-failure (of a download), empty, curl, copy-curl,
//              waiting, refused
//
// A row of a table is tr[data-row="N"], from 0. What loads has aria-busy="true" on its panel.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { bytes, exact } from './data/format'
import { hourText, type HourTotals } from './data/hours'
import type { Live, Status } from './data/live'
import { forgetAnswers, useClock, useStatus, useView, type Go } from './hooks'
import { PageProvider, usePage, type Page } from './page'
import { useTheme } from './theme'
import { Changes } from './views/changes'
import { Empty } from './views/empty'
import { Ends } from './views/ends'
import { Entry } from './views/entry'
import { Filters } from './views/filters'
import { Banner, Footer, Header } from './views/header'
import { Hours, useAxis } from './views/hours'
import { MapPanel } from './views/map'
import { Tabs, tabTexts } from './views/tabs'
import { Talkers } from './views/talkers'
import type { View } from './data/view'

export function App({ live }: { live: Live }) {
  const status = useStatus(live)
  const [view, go] = useView()
  const { theme, dark, choose } = useTheme()
  const { hours, access } = status
  const forget = () => {
    forgetAnswers()
    live.forget()
  }
  useEffect(() => {
    if (hours === null) document.title = 'flowd'
  }, [hours === null])
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the flows
      </a>
      <Header {...{ live, status, theme }} onTheme={choose} onForget={forget} />
      <Banner {...{ live, status }} />
      <main id="main" tabIndex={-1}>
        {(access.wanted || (hours === null && mayHelp(status))) && <Entry {...{ live, status }} />}
        {hours === null ? (
          !access.wanted && <Waiting status={status} />
        ) : hours.length === 0 ? (
          <Empty withToken={access.held} />
        ) : (
          <Flows {...{ view, go, live, status, hours, dark }} />
        )}
      </main>
      <Footer {...{ live, status }} />
      <Announcer {...{ status, view }} />
    </>
  )
}

/** skip moves the focus; the address, which a link would change, holds the view. */
function skip(event: Event): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

/** mayHelp tells whether a server that shows no hours, though it wants no token, might show them to one. */
function mayHelp({ access, refused }: Status): boolean {
  return access.trying || (!access.held && refused?.status === 403)
}

function Waiting({ status }: { status: Status }) {
  if (status.refused !== null) {
    return (
      <section class="panel start" data-testid="refused">
        <h2>The hours cannot be read</h2>
        <p role="alert">{status.refused.message}</p>
      </section>
    )
  }
  return (
    <section class="panel start" aria-busy="true" data-testid="waiting">
      <p>{status.down || status.paused ? 'Waiting for the server …' : 'Reading …'}</p>
    </section>
  )
}

interface FlowsProps {
  view: View
  go: Go
  live: Live
  status: Status
  hours: HourTotals[]
  dark: boolean
}

function Flows({ view, go, live, status, hours, dark }: FlowsProps) {
  const newest = hours.at(-1)!.hour
  const hour = typeof view.hour === 'number' ? view.hour : newest
  const now = useClock()
  useEffect(() => {
    // A link to this address shall show this hour tomorrow too.
    if (view.hour === null) go({ hour: newest }, 'correction')
  }, [view.hour, newest, go])
  useEffect(() => {
    document.title = `${hourText(hour)} · ${tabTexts[view.tab]} · flowd`
  }, [hour, view.tab])
  const write = view.exact ? exact : bytes
  const page = useMemo<Page>(
    () => ({ view, go, live, status, hours, hour, now, dark, write }),
    [view, go, live, status, hours, hour, now, dark, write],
  )
  return (
    <PageProvider value={page}>
      <Views />
    </PageProvider>
  )
}

function Views() {
  const axis = useAxis()
  const { tab } = usePage().view
  return (
    <>
      <Hours axis={axis} />
      <div class="controls">
        <Tabs />
        <Filters />
      </div>
      {tab === 'talkers' && <Talkers axis={axis} />}
      {tab === 'map' && <MapPanel />}
      {tab === 'changes' && <Changes />}
      {tab === 'ends' && <Ends />}
    </>
  )
}

/** Announcer tells a screen reader what the eye sees happen: another hour, another view, an answer again. */
function Announcer({ status, view }: { status: Status; view: View }) {
  const [text, setText] = useState('')
  const first = useRef(true)
  useEffect(() => {
    if (status.comebacks > 0) setText('The server answers again.')
  }, [status.comebacks])
  useEffect(() => {
    if (status.access.taken > 0) setText('The server took the token.')
  }, [status.access.taken])
  useEffect(() => {
    if (!first.current && typeof view.hour === 'number') setText(`${tabTexts[view.tab]}, ${hourText(view.hour)}`)
    first.current = false
  }, [view.hour, view.tab])
  return (
    <p class="unseen" role="status" data-testid="announcer">
      {text}
    </p>
  )
}
