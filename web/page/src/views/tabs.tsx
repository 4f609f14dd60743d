import type { ComponentChildren } from 'preact'
import { tabs, writeView, type Tab } from '../data/view'
import { usePage } from '../page'

export const tabTexts: Record<Tab, string> = {
  talkers: 'Top talkers',
  map: 'Who talks to whom',
  changes: 'What changed',
  ends: 'Both ends',
}

/** TabLink goes to a view. It is a link, so that it opens in a tab of the browser as well. */
export function TabLink({ tab, testid, children }: { tab: Tab; testid: string; children: ComponentChildren }) {
  const { view, go } = usePage()
  const open = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    go({ tab })
  }
  return (
    <a
      href={writeView({ ...view, tab })}
      aria-current={view.tab === tab ? 'page' : undefined}
      onClick={open}
      data-testid={testid}
    >
      {children}
    </a>
  )
}

export function Tabs() {
  return (
    <nav class="tabs" aria-label="Views">
      {tabs.map((tab) => (
        <TabLink key={tab} tab={tab} testid={`tab-${tab}`}>
          {tabTexts[tab]}
        </TabLink>
      ))}
    </nav>
  )
}
