// The whole view is in the address, after the #: a link opens the same view, and back and forward work. It is not in
// the query string, because the server answers the same page for every view, and names of a filter need not stand in
// the logs of proxies.

export const fields = ['src_app', 'dest_app', 'vpc_id'] as const
export type Field = (typeof fields)[number]

export const tabs = ['talkers', 'map', 'changes', 'ends'] as const
export type Tab = (typeof tabs)[number]

export const limits = [100, 1000, 10_000, 100_000] as const
export const linkCounts = [10, 20, 40, 80] as const
export const spans = [24, 48, 168, 720, Infinity] as const

const orders = ['bytes_total', 'bytes_tx', 'bytes_rx', ...fields] as const
const mapForms = ['sankey', 'matrix', 'table'] as const
const changeOrders = ['largest', 'grown', 'shrunk'] as const
const endsOrders = ['disagreement', 'bytes_total'] as const

export interface View {
  /** The chosen hour; 'newest' follows the newest one; null until the first hours are known. */
  hour: number | 'newest' | null
  tab: Tab
  filters: Record<Field, string[]>
  group: readonly Field[]
  /** A field of `order_by`, with a leading - for descending. */
  order: string
  limit: number
  /** Keys of the rows whose hours are shown, by rowKey; none shows the first rows. */
  rows: string[]
  /** What the hour is compared with: an hour, or how many hours before (negative). */
  against: number
  /** Whether an hour that still runs is compared as well. */
  running: boolean
  changes: (typeof changeOrders)[number]
  ends: (typeof endsOrders)[number]
  map: (typeof mapForms)[number]
  links: number
  /** How many hours the picker shows, and from which on; null keeps the chosen one in sight. */
  span: number
  start: number | null
  exact: boolean
}

/** initial is the view of an address without a #. */
export function initial(): View {
  return {
    hour: null,
    tab: 'talkers',
    filters: { src_app: [], dest_app: [], vpc_id: [] },
    group: [...fields],
    order: '-bytes_total',
    limit: 100,
    rows: [],
    against: -1,
    running: false,
    changes: 'largest',
    ends: 'disagreement',
    map: 'sankey',
    links: 20,
    span: 48,
    start: null,
    exact: false,
  }
}

// Names have no control characters, so this one can part them.
const between = '\u001f'

/** rowKey names a row by its group fields. */
export function rowKey(names: readonly string[]): string {
  return names.join(between)
}

export function namesOfKey(key: string): string[] {
  return key.split(between)
}

function oneOf<T extends string>(all: readonly T[], text: string | null, otherwise: T): T {
  return all.find((one) => one === text) ?? otherwise
}

function integer(text: string | null, lowest: number, highest: number): number | null {
  if (text === null || !/^-?\d{1,10}$/.test(text)) return null
  const n = Number(text)
  return n >= lowest && n <= highest ? n : null
}

const highestHour = 2 ** 31 - 1
const mostRows = 8

/** parseView reads an address. What it does not know, or what is out of range, is as if it were not there. */
export function parseView(hash: string): View {
  const q = new URLSearchParams(hash.replace(/^#/, ''))
  const view = initial()
  view.hour = q.get('hour') === 'newest' ? 'newest' : integer(q.get('hour'), 0, highestHour)
  view.tab = oneOf(tabs, q.get('view'), view.tab)
  for (const field of fields) view.filters[field] = [...new Set(q.getAll(field).filter((value) => value !== ''))]
  const asked = (q.get('group_by') ?? '').split(',')
  const group = fields.filter((field) => asked.includes(field))
  if (group.length > 0) view.group = group
  const order = q.get('order_by') ?? ''
  if (orders.some((one) => one === order.replace(/^-/, ''))) view.order = order
  view.limit = integer(q.get('limit'), 1, 100_000) ?? view.limit
  view.rows = [...new Set(q.getAll('row'))].slice(0, mostRows)
  view.against = integer(q.get('against'), -highestHour, highestHour) ?? view.against
  view.running = q.get('running') === 'compared'
  view.changes = oneOf(changeOrders, q.get('changes'), view.changes)
  view.ends = oneOf(endsOrders, q.get('ends'), view.ends)
  view.map = oneOf(mapForms, q.get('map'), view.map)
  view.links = integer(q.get('links'), 1, 200) ?? view.links
  view.span = q.get('span') === 'all' ? Infinity : (integer(q.get('span'), 2, 1_000_000) ?? view.span)
  view.start = integer(q.get('start'), 0, highestHour)
  view.exact = q.get('units') === 'bytes'
  return consistent(view)
}

/** consistent drops what no longer fits the grouping: an order by a field that is summed over, keys of other fields. */
export function consistent(view: View): View {
  const by = view.order.replace(/^-/, '')
  const summedOver = fields.some((field) => field === by) && !view.group.some((field) => field === by)
  return {
    ...view,
    order: summedOver ? '-bytes_total' : view.order,
    rows: view.rows.filter((key) => namesOfKey(key).length === view.group.length),
  }
}

/** writeView is the shortest address that parseView reads as view, with its #. */
export function writeView(view: View): string {
  const q = new URLSearchParams()
  const usual = initial()
  const put = (name: string, value: string | number, unless: string | number) => {
    if (value !== unless) q.append(name, String(value))
  }
  if (view.hour !== null) q.append('hour', String(view.hour))
  put('view', view.tab, usual.tab)
  for (const field of fields) for (const value of view.filters[field]) q.append(field, value)
  put('group_by', view.group.join(','), usual.group.join(','))
  put('order_by', view.order, usual.order)
  put('limit', view.limit, usual.limit)
  for (const key of view.rows) q.append('row', key)
  put('against', view.against, usual.against)
  put('running', view.running ? 'compared' : '', '')
  put('changes', view.changes, usual.changes)
  put('ends', view.ends, usual.ends)
  put('map', view.map, usual.map)
  put('links', view.links, usual.links)
  put('span', view.span === Infinity ? 'all' : view.span, usual.span)
  if (view.start !== null) q.append('start', String(view.start))
  put('units', view.exact ? 'bytes' : 'auto', 'auto')
  return `#${q.toString()}`
}

/** toggled is list with item put in or, if it is there, taken out; the oldest goes where there are too many. */
export function toggled(list: readonly string[], item: string): string[] {
  return list.includes(item) ? list.filter((one) => one !== item) : [...list, item].slice(-mostRows)
}
