// The addresses that the page asks, and the rows that it gets. They are relative, so that the page also works behind a
// proxy that serves it below a path.

import type { Int } from './exact'
import { fields, namesOfKey, type Field, type View } from './view'

const api = 'api/v1'

export type Names = Partial<Record<Field, string>>

/**
 * groupOf is the fields that rows were grouped by; otherwise where there are none. While the next answer is awaited, the
 * view may have another grouping than the rows that are shown.
 */
export function groupOf(rows: readonly Names[] | null, otherwise: readonly Field[]): readonly Field[] {
  const row = rows?.[0]
  return row ? fields.filter((field) => row[field] !== undefined) : otherwise
}

/** FlowRow is a row of GET /flows, by the fields that it was grouped by. */
export type FlowRow = Names & { bytes_tx: Int; bytes_rx: Int; hour?: number }

export type Change = 'new' | 'gone' | 'grown' | 'shrunk' | 'shifted'

/** DiffRow is a row of GET /diff. */
export type DiffRow = Names & {
  bytes_tx_before: Int
  bytes_rx_before: Int
  bytes_tx_after: Int
  bytes_rx_after: Int
  difference: Int
  change: Change
}

/** PairRow is a row of GET /pairs. */
export interface PairRow {
  app_a: string
  app_b: string
  vpc_id: string
  a_to_b_sent: Int
  a_to_b_received: Int
  b_to_a_sent: Int
  b_to_a_received: Int
  disagreement: Int
  reported_by: 'both' | 'a' | 'b'
}

export const metricsUrl = `${api}/metrics`
export const hoursUrl = `${api}/hours`
export const versionUrl = `${api}/version`
export const openapiUrl = `${api}/openapi.json`

function address(path: string, parameters: [string, string | number][]): string {
  const q = new URLSearchParams(parameters.map(([name, value]) => [name, String(value)]))
  return `${api}/${path}?${q}`
}

function filtersOf(view: View): [string, string][] {
  return fields.flatMap((field) => view.filters[field].map((value): [string, string] => [field, value]))
}

/** talkersUrl asks for the rows of an hour in the view's grouping and order. */
export function talkersUrl(view: View, hour: number): string {
  return address('flows', [
    ['hour', hour],
    ...filtersOf(view),
    ['group_by', view.group.join(',')],
    ['order_by', view.order],
    ['limit', view.limit],
  ])
}

/** linksUrl asks for the heaviest most connections of an hour. */
export function linksUrl(view: View, hour: number, most: number): string {
  return address('flows', [
    ['hour', hour],
    ...filtersOf(view),
    ['group_by', 'src_app,dest_app'],
    ['order_by', '-bytes_total'],
    ['limit', most],
  ])
}

/**
 * seriesUrl asks for the hours from, up to not including to, of some rows by their keys in the view's grouping. Filters of several fields cross, and a name
 * that ends in * is a prefix, so the answer may have rows of others; who asks keeps those of its keys.
 */
export function seriesUrl(view: View, keys: readonly string[], from: number, to: number): string {
  const parameters: [string, string | number][] = [
    ['from', from],
    ['to', to],
  ]
  fields.forEach((field) => {
    const at = view.group.indexOf(field)
    const values = at < 0 ? view.filters[field] : [...new Set(keys.map((key) => namesOfKey(key)[at] ?? ''))]
    for (const value of values) parameters.push([field, value])
  })
  return address('flows', [...parameters, ['group_by', [...view.group, 'hour'].join(',')]])
}

/** diffUrl asks what changed from the hour before to after. */
export function diffUrl(view: View, before: number, after: number, most: number): string {
  const order = { largest: [], grown: ['-difference'], shrunk: ['difference'] }[view.changes]
  return address('diff', [
    ['a', before],
    ['b', after],
    ...filtersOf(view),
    ['group_by', view.group.join(',')],
    ...order.map((by): [string, string] => ['order_by', by]),
    ['limit', most],
  ])
}

/** pairsUrl asks for what both ends reported. Of the apps, either side may match. */
export function pairsUrl(view: View, hour: number): string {
  const apps = [...new Set([...view.filters.src_app, ...view.filters.dest_app])]
  return address('pairs', [
    ['hour', hour],
    ...apps.map((value): [string, string] => ['app', value]),
    ...view.filters.vpc_id.map((value): [string, string] => ['vpc_id', value]),
    ['order_by', `-${view.ends}`],
    ['limit', view.limit],
  ])
}

/** namesUrl asks which names of a field begin with prefix, in an hour. */
export function namesUrl(field: Field, prefix: string, hour: number | null, most: number): string {
  const parameters: [string, string | number][] = [['field', field]]
  if (prefix !== '') parameters.push(['prefix', prefix])
  if (hour !== null) parameters.push(['hour', hour])
  return address('names', [...parameters, ['limit', most]])
}

/** csvUrl is the same question, answered as CSV. */
export function csvUrl(url: string): string {
  return `${url}&format=csv`
}

/** curlOfFirstFlow is a line for a shell that posts a flow of this hour; a token is for the shell to know. */
export function curlOfFirstFlow(page: string, nowSeconds: number, withToken: boolean): string {
  const flow = {
    src_app: 'web',
    dest_app: 'db',
    vpc_id: 'vpc-0',
    bytes_tx: 1200,
    bytes_rx: 98_000,
    hour: Math.floor(nowSeconds / 3600),
  }
  const url = new URL(`${api}/flows`, page).href
  const json = JSON.stringify(flow).replace(',"bytes_tx"', ',\n       "bytes_tx"')
  const token = withToken ? ' \\\n  -H "Authorization: Bearer $FLOWD_TOKEN"' : ''
  return `curl -X POST '${url}' \\\n  -H 'Content-Type: application/json'${token} \\\n  -d '[${json}]'`
}

/** acceptedFlows reads the counter of accepted flows out of Prometheus' text; null where there is none. */
export function acceptedFlows(metrics: string): number | null {
  const found = /^flowd_flows_received_total\{outcome="accepted"\}\s+(\S+)/m.exec(metrics)
  const value = Number(found?.[1] ?? NaN)
  return Number.isFinite(value) ? value : null
}
