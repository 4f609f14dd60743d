import { expect, test } from 'vitest'
import {
  acceptedFlows,
  csvUrl,
  curlOfFirstFlow,
  diffUrl,
  groupOf,
  linksUrl,
  namesUrl,
  pairsUrl,
  seriesUrl,
  talkersUrl,
} from '../src/data/queries'
import { initial, rowKey, type View } from '../src/data/view'

const filtered: View = { ...initial(), filters: { src_app: ['a&b', 'pay*'], dest_app: ['c'], vpc_id: ['v'] } }

test('questions are those of the API', () => {
  expect(talkersUrl(initial(), 7)).toBe(
    'api/v1/flows?hour=7&group_by=src_app%2Cdest_app%2Cvpc_id&order_by=-bytes_total&limit=100',
  )
  expect(linksUrl(initial(), 7, 20)).toBe(
    'api/v1/flows?hour=7&group_by=src_app%2Cdest_app&order_by=-bytes_total&limit=20',
  )
  expect(diffUrl({ ...initial(), group: ['vpc_id'] }, 6, 7, 100)).toBe('api/v1/diff?a=6&b=7&group_by=vpc_id&limit=100')
  expect(diffUrl({ ...initial(), changes: 'grown' }, 6, 7, 1)).toContain('&order_by=-difference&')
  expect(diffUrl({ ...initial(), changes: 'shrunk' }, 6, 7, 1)).toContain('&order_by=difference&')
  expect(namesUrl('src_app', '', null, 12)).toBe('api/v1/names?field=src_app&limit=12')
  expect(namesUrl('vpc_id', 'v p', 7, 12)).toBe('api/v1/names?field=vpc_id&prefix=v+p&hour=7&limit=12')
  expect(csvUrl(talkersUrl(initial(), 7))).toBe(`${talkersUrl(initial(), 7)}&format=csv`)
})

test('filters are repeated, and their names escaped', () => {
  const part = 'src_app=a%26b&src_app=pay*&dest_app=c&vpc_id=v&'
  expect(talkersUrl(filtered, 7)).toContain(`?hour=7&${part}`)
  expect(diffUrl(filtered, 6, 7, 1)).toContain(`&${part}`)
})

test('both ends are asked for either side', () => {
  const view = { ...filtered, filters: { ...filtered.filters, dest_app: ['pay*', 'c'] } }
  expect(pairsUrl(view, 7)).toBe(
    'api/v1/pairs?hour=7&app=a%26b&app=pay*&app=c&vpc_id=v&order_by=-disagreement&limit=100',
  )
})

test('the hours of rows are asked by their names, and by the filters of what is summed over', () => {
  const view: View = { ...filtered, group: ['dest_app', 'vpc_id'] }
  const keys = [rowKey(['c', 'v']), rowKey(['d', 'v'])]
  expect(seriesUrl(view, keys, 5, 9)).toBe(
    'api/v1/flows?from=5&to=9&src_app=a%26b&src_app=pay*&dest_app=c&dest_app=d&vpc_id=v&group_by=dest_app%2Cvpc_id%2Chour',
  )
})

test('the counter of accepted flows is found among the metrics', () => {
  const text = [
    '# TYPE flowd_flows_received_total counter',
    'flowd_flows_received_total{outcome="rejected"} 3',
    'flowd_flows_received_total{outcome="accepted"} 1.5e+07',
    'x{a="flowd_flows_received_total{outcome=\\"accepted\\"} 9"} 1',
  ].join('\n')
  expect(acceptedFlows(text)).toBe(15_000_000)
  expect(acceptedFlows('')).toBeNull()
  expect(acceptedFlows('flowd_flows_received_total{outcome="accepted"} nothing')).toBeNull()
})

test('the first flow is posted to this server, in this hour', () => {
  const line = curlOfFirstFlow('http://flowd.example:8080/', 498_729 * 3600 + 17, false)
  expect(line).toContain("'http://flowd.example:8080/api/v1/flows'")
  expect(line).toContain('"hour":498729')
  expect(line).not.toContain('Authorization')
  expect(curlOfFirstFlow('http://flowd.example:8080/', 0, true)).toContain(' -H "Authorization: Bearer $FLOWD_TOKEN" ')
})

test('rows say what they were grouped by', () => {
  expect(groupOf([{ src_app: 'a', vpc_id: 'v' }], ['dest_app'])).toEqual(['src_app', 'vpc_id'])
  expect(groupOf([], ['dest_app'])).toEqual(['dest_app'])
  expect(groupOf(null, ['dest_app'])).toEqual(['dest_app'])
})
