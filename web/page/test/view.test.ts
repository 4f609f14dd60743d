import { describe, expect, test } from 'vitest'
import { consistent, initial, namesOfKey, parseView, rowKey, toggled, writeView, type View } from '../src/data/view'

describe('the address', () => {
  test('of the first view is short', () => {
    expect(writeView(initial())).toBe('#')
    expect(writeView({ ...initial(), hour: 498_729 })).toBe('#hour=498729')
    expect(parseView('')).toEqual(initial())
  })

  test('holds the whole view', () => {
    const view: View = {
      hour: 498_729,
      tab: 'changes',
      filters: { src_app: ['web', 'a&b=c#d', 'pay*'], dest_app: ['"<b>", ünï'], vpc_id: ['vpc 1'] },
      group: ['src_app', 'vpc_id'],
      order: 'bytes_rx',
      limit: 100_000,
      rows: [rowKey(['web', 'vpc 1']), rowKey(['+ %20', '*'])],
      against: -168,
      running: true,
      changes: 'shrunk',
      ends: 'bytes_total',
      map: 'matrix',
      links: 80,
      span: Infinity,
      start: 1000,
      exact: true,
    }
    expect(parseView(writeView(view))).toEqual(view)
    expect(parseView(writeView({ ...view, hour: 'newest', against: 7, span: 26 }))).toEqual({
      ...view,
      hour: 'newest',
      against: 7,
      running: true,
      span: 26,
    })
  })

  test.each([
    ['hour=-1', initial()],
    ['hour=2147483648', initial()],
    ['hour=1e3&view=nothing&limit=0&span=1&links=999', initial()],
    ['limit=100001&order_by=hour&group_by=hour&map=pie&units=bits', initial()],
    ['src_app=&row=only-one-name', initial()],
    ['unknown=1', initial()],
  ])('leaves out what it does not know: %s', (hash, view) => {
    expect(parseView(`#${hash}`)).toEqual(view)
  })

  test('names a value once', () => {
    expect(parseView('#src_app=a&src_app=a&src_app=b').filters.src_app).toEqual(['a', 'b'])
  })
})

describe('a view', () => {
  test('does not order by what is summed over', () => {
    expect(consistent({ ...initial(), group: ['dest_app'], order: 'src_app' }).order).toBe('-bytes_total')
    expect(consistent({ ...initial(), group: ['dest_app'], order: '-dest_app' }).order).toBe('-dest_app')
  })
  test('keeps no rows of another grouping', () => {
    const rows = [rowKey(['a']), rowKey(['a', 'b'])]
    expect(consistent({ ...initial(), group: ['dest_app'], rows }).rows).toEqual([rowKey(['a'])])
  })
})

test('keys of rows come apart again', () => {
  expect(namesOfKey(rowKey(['a › b', '', 'c']))).toEqual(['a › b', '', 'c'])
})

test('a ninth row puts out the first', () => {
  const eight = ['1', '2', '3', '4', '5', '6', '7', '8']
  expect(toggled(eight, '9')).toEqual(['2', '3', '4', '5', '6', '7', '8', '9'])
  expect(toggled(eight, '3')).toEqual(['1', '2', '4', '5', '6', '7', '8'])
})
