import { expect, test } from 'vitest'
import { newServerClock } from './server-clock'

const AT = Date.parse('2031-05-09T14:00:00Z')
const date = (ms: number): string => new Date(ms).toUTCString()

test('the server’s clock is known by the dates of answers, the better the more there are', () => {
  const clock = newServerClock()
  clock.heard(null, AT, AT)
  clock.heard('yesterday', AT, AT)
  expect(clock.ahead()).toBe(0)
  // 120.3 s ahead: an answer names the second before.
  for (let sent = AT; sent < AT + 5_000; sent += 370) clock.heard(date(sent + 120_300), sent, sent + 40)
  expect(Math.abs(clock.ahead() - 120_300)).toBeLessThan(250)
  // It is set right.
  clock.heard(date(AT + 6_500), AT + 6_500, AT + 6_540)
  expect(clock.ahead()).toBe(0)
})

test('clocks that may be the same are', () => {
  const clock = newServerClock()
  clock.heard(date(AT + 990), AT + 980, AT + 1_030)
  expect(clock.ahead()).toBe(0)
})
