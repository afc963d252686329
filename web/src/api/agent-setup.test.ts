import { afterEach, expect, test, vi } from 'vitest'
import { changeObjects, getObject } from './agent-setup'

afterEach(() => void vi.unstubAllGlobals())

/** From now on everything is refused so. */
function refuse(status: number, members: object): void {
  const body = JSON.stringify({ type: 'refused', title: 'Refused', detail: 'no', status, ...members })
  vi.stubGlobal('fetch', async () => new Response(body, { status, headers: { 'Content-Type': 'application/problem+json' } }))
}

test('what somebody may not do is told with its object and field, where the server says them', async () => {
  const fault = { kind: 'person', id: 'ann', field: 'privileges', rule: 'an administrator alone', code: 'not_permitted', values: { right: 'administrator', folder: '' } }
  refuse(403, { faults: [fault], more: 2 })
  expect(await changeObjects('example', 'r1', true, [])).toEqual({ kind: 'faults', faults: [fault], more: 2 })
  // Who may not even read learns that alone.
  expect(await getObject('example', 'person', 'ann')).toEqual({ kind: 'failed', failure: { kind: 'not-allowed', detail: 'no' } })
  refuse(403, {})
  expect(await changeObjects('example', 'r1', true, [])).toMatchObject({ kind: 'failed', failure: { kind: 'not-allowed' } })
})
