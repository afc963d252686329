import { describe, expect, test } from 'vitest'
import type { Failure } from '../api/errors'
import { after, pause, type Polled } from './use-polled'

const loading: Polled<string> = { kind: 'loading' }
const away: Failure = { kind: 'unreachable', detail: '' }
const first = after(loading, { kind: 'ok', value: 'a' }, 5)
const eachSecond = (): number => 1_000

describe('a document that is asked for again and again', () => {
  test('keeps the one before for differences', () => {
    expect(after(first, { kind: 'ok', value: 'b' }, 9)).toEqual({ kind: 'shown', value: 'b', last: 'a', heardAt: 9, failure: undefined })
  })
  test('stays when the server is away, with the time from which it is', () => {
    expect(after(first, { kind: 'failed', failure: away }, 9)).toEqual({ ...first, failure: away })
    expect(after(loading, { kind: 'failed', failure: away }, 9)).toEqual({ kind: 'failing', failure: away })
  })
  test('goes when it is refused for good, and is not asked for again', () => {
    const refused = after(first, { kind: 'failed', failure: { kind: 'refused-token', detail: '' } }, 9)
    expect(refused.kind).toBe('refused')
    expect(pause(refused, eachSecond)).toBeUndefined()
  })
  test('is asked for as it says itself, and soon after a failure', () => {
    expect(pause(first, eachSecond)).toBe(1_000)
    expect(pause(first, () => undefined)).toBeUndefined()
    expect(pause(after(first, { kind: 'failed', failure: away }, 9), () => undefined)).toBe(2_000)
  })
})
