import { describe, expect, test } from 'vitest'
import { clockDuration, preciseDuration, roughDuration, shortDuration, timeOrDate } from './durations'
import { bytes, count, percent } from './numbers'
import { apiPaths } from './paths'
import { isStillTyped, nameOf, pressed, type Shortcut } from './shortcuts'

test.each([[-5_000, '0:00'], [0, '0:00'], [999, '0:00'], [7_000, '0:07'], [761_000, '12:41'], [3_599_999, '59:59'], [3_729_000, '1:02:09'], [273_060_000, '3 d 03:51']])('%s ms is %s on a clock', (ms, text) => {
  expect(clockDuration(ms)).toBe(text)
})
test.each([[-1, '0:00'], [761_000, '12:41'], [3_729_000, '1h02'], [273_060_000, '3d']])('%s ms is shortly %s', (ms, text) => {
  expect(shortDuration(ms)).toBe(text)
})
test('a time of another day has its date', () => {
  const noon = new Date(2031, 4, 9, 12, 0, 0).getTime()
  expect(timeOrDate(noon, noon + 3_600_000)).toBe('12:00:00')
  expect(timeOrDate(noon, noon + 86_400_000)).toBe('2031-05-09 12:00:00')
})
test.each([[0, '0 s'], [89_000, '89 s'], [240_000, '4 min'], [7_500_000, '2 h 05 min']])('%s ms is roughly %s', (ms, text) => {
  expect(roughDuration(ms)).toBe(text)
})
test.each([[12.4, '12 ms'], [4_210, '4.2 s'], [61_000, '1:01']])('%s ms is precisely %s', (ms, text) => {
  expect(preciseDuration(ms)).toBe(text)
})
test('numbers', () => {
  expect([count(12_345), percent(null), percent(99.96), percent(100), percent(0.4)]).toEqual(['12,345', '–', '99', '100', '0'])
  expect([bytes(0), bytes(999), bytes(1_420), bytes(23_000_000)]).toEqual(['0 B', '999 B', '1.4 kB', '23 MB'])
})

describe('paths', () => {
  test('a name cannot leave its place in an API path', () => {
    expect(apiPaths.trace('../x', '/../../y')).toBe('/api/operations/v1/..%2Fx/traces/%2F..%2F..%2Fy')
  })
})

test('the second of two keys means what the first has begun, and nothing that has taken its place', () => {
  const hangUp = (says: string): Shortcut => ({ keys: 'x x', says, run: () => undefined })
  const [consultation, customer] = [hangUp('consultation'), hangUp('customer')]
  expect(pressed([consultation], '', 'x')).toEqual({ does: undefined, waiting: 'x' })
  expect(pressed([consultation], 'x', 'x', [consultation]).does).toBe(consultation)
  expect(pressed([customer], 'x', 'x', [consultation])).toEqual({ does: undefined, waiting: 'x' })
})

test('letters go on being letters where their field went from under the hands', () => {
  expect([isStillTyped(undefined, 100), isStillTyped({ into: { isConnected: true }, at: 0 }, 100)]).toEqual([false, false])
  const gone = { into: { isConnected: false }, at: 0 }
  expect([isStillTyped(gone, 400), isStillTyped(gone, 1_000)]).toEqual([true, false])
})

test('locked capitals leave letters as shortcuts write them; with Shift a letter is another one', () => {
  const name = (key: string, more: object = {}) => nameOf({ key, ctrlKey: false, metaKey: false, altKey: false, ...more })
  expect([name('a'), name('A'), name('a', { shiftKey: true }), name('A', { shiftKey: true })]).toEqual(['a', 'a', 'A', 'A'])
  expect([name('?', { shiftKey: true }), name('Enter', { ctrlKey: true }), name('Escape')]).toEqual(['?', 'Ctrl+Enter', 'Escape'])
})
