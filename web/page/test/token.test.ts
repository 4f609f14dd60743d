import { afterEach, expect, test, vi } from 'vitest'
import { tabMemory, tokenIn } from '../src/data/token'

afterEach(() => vi.unstubAllGlobals())

test.each([
  ['flowd_abc-_9', 'flowd_abc-_9'],
  ['  flowd_abc\n', 'flowd_abc'],
  ['Bearer flowd_abc', 'flowd_abc'],
  ['authorization:  bearer  eyJ.e30.x=', 'eyJ.e30.x='],
  ['Bearer', 'Bearer'],
  ['', null],
  [' \n', null],
  ['two words', null],
  ['flowd_\u00e4', null],
  ['flowd_\u200babc', null],
  ['a\r\nX-Other: b', null],
])('in %j there is the token %j', (text, token) => {
  expect(tokenIn(text)).toBe(token)
})

test('a token is kept for the tab and this server, and can be dropped', () => {
  const kept = new Map<string, string>()
  vi.stubGlobal('location', { pathname: '/' })
  vi.stubGlobal('sessionStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => kept.set(name, text),
    removeItem: (name: string) => kept.delete(name),
  })
  expect(tabMemory.read()).toBeNull()
  tabMemory.write('flowd_abc')
  expect([tabMemory.read(), kept.size]).toEqual(['flowd_abc', 1])
  vi.stubGlobal('location', { pathname: '/other/' })
  expect(tabMemory.read()).toBeNull()
  vi.stubGlobal('location', { pathname: '/' })
  tabMemory.clear()
  expect([tabMemory.read(), kept.size]).toEqual([null, 0])
})

test('a browser that keeps nothing is no fault', () => {
  const refuse = () => {
    throw new DOMException('The operation is insecure.', 'SecurityError')
  }
  vi.stubGlobal('location', { pathname: '/' })
  vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse, removeItem: refuse })
  tabMemory.write('flowd_abc')
  tabMemory.clear()
  expect(tabMemory.read()).toBeNull()
})
