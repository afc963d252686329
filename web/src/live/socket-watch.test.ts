import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchSocket, type WatchedSocket } from './socket-watch'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function socket() {
  const events = new EventTarget()
  const sent: unknown[] = []
  const made = { readyState: 1, send: (text: unknown) => void sent.push(text), addEventListener: events.addEventListener.bind(events), removeEventListener: events.removeEventListener.bind(events) }
  return { made, watched: made as unknown as WatchedSocket, sent, hear: () => void events.dispatchEvent(new Event('message')) }
}

test('a path that answers no question is dead, and is said to be so once', () => {
  const { watched, sent, hear } = socket()
  const dead = vi.fn()
  watchSocket(watched, dead)
  for (let asked = 1; asked <= 3; asked += 1) {
    vi.advanceTimersByTime(20_000)
    expect([sent.length, sent.at(-1)]).toEqual([asked, '\r\n\r\n'])
    hear()
  }
  expect(dead).not.toHaveBeenCalled()
  vi.advanceTimersByTime(28_000)
  expect(dead).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(60_000)
  expect([dead.mock.calls.length, sent.length]).toEqual([1, 4])
})

test('one that has ended, or is watched no more, is asked nothing', () => {
  for (const way of ['ended', 'left']) {
    const { made, watched, sent } = socket()
    const dead = vi.fn()
    const leave = watchSocket(watched, dead)
    if (way === 'ended') made.readyState = 3
    else leave()
    vi.advanceTimersByTime(120_000)
    expect([sent, dead.mock.calls.length], way).toEqual([[], 0])
  }
})
