import { QueryClient } from '@tanstack/react-query'
import { afterEach, expect, test, vi } from 'vitest'
import { waitIn, type Failure } from '../api/errors'
import { tellReached, tellUnreachable } from '../lib/reached'
import { isTriedAgain, pauseMs, refetchWhenReached } from './queries'

const refused = (failure: Failure): Error => Object.assign(new Error(), { failure })
const busy = (waitMs?: number): Error => refused({ kind: 'server', status: 503, detail: '', ...(waitMs === undefined ? {} : { waitMs }) })

afterEach(tellReached)

test('what the server cannot answer now is asked again, and no other failure', () => {
  expect(isTriedAgain(0, busy())).toBe(true)
  expect(isTriedAgain(3, busy())).toBe(false)
  expect(isTriedAgain(0, refused({ kind: 'server', status: 400, detail: '' }))).toBe(false)
  expect(isTriedAgain(0, refused({ kind: 'not-allowed', detail: '' }))).toBe(false)
  expect(isTriedAgain(0, new Error())).toBe(false)
})

test('not before the time that the server names', () => {
  expect(pauseMs(0, busy(7_000))).toBe(7_000)
  expect(pauseMs(0, busy())).toBeLessThanOrEqual(500)
  expect(isTriedAgain(0, busy(3_600_000))).toBe(false)
})

test('Retry-After is seconds or a date', () => {
  expect(waitIn('7', 0)).toBe(7_000)
  expect(waitIn('Thu, 01 Jan 1970 00:00:09 GMT', 2_000)).toBe(7_000)
  expect(waitIn('Thu, 01 Jan 1970 00:00:00 GMT', 2_000)).toBe(0)
  expect([waitIn(null, 0), waitIn('soon', 0)]).toEqual([undefined, undefined])
})

test('all is asked anew when the server is reached again, not by everybody in one moment', () => {
  vi.useFakeTimers()
  const client = new QueryClient()
  const asked = vi.spyOn(client, 'invalidateQueries').mockResolvedValue()
  const stop = refetchWhenReached(client)
  tellUnreachable()
  expect(asked).not.toHaveBeenCalled()
  tellReached()
  expect(asked).not.toHaveBeenCalled()
  vi.advanceTimersByTime(2_000)
  expect(asked).toHaveBeenCalledOnce()
  stop()
  vi.useRealTimers()
})
