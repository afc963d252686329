import { describe, expect, test } from 'vitest'
import { checked } from './check'
import { isReached } from './generated/pulse-checks'
import { isTraces } from './generated/operations-checks'

describe('an answer', () => {
  test('that is as its document says has its type, whatever else it brings', () => {
    expect(checked(isReached, { at: 1, later: 'a field of a newer server' })).toMatchObject({ kind: 'ok', value: { at: 1 } })
  })
  test.each([
    [{}, "/ must have required property 'at'"],
    [{ at: '1' }, '/at must be integer'],
    [undefined, '/ must be object'],
  ])('%j is refused, and the place is named', (value, detail) => {
    expect(checked(isReached, value)).toEqual({ kind: 'failed', failure: { kind: 'not-understood', detail } })
  })
  test('is refused deep inside, too', () => {
    const call = { connId: '1', uuid: 'u', beganAt: 1, endedAt: null, from: 'a', to: 'b', answeredBy: null, lastEvent: null }
    const list = { tenant: 'example', calls: [call, { ...call, endedAt: 'now' }], refused: [], missing: [] }
    expect(checked(isTraces, list)).toMatchObject({ failure: { detail: '/calls/1/endedAt must be number,null' } })
  })
})
