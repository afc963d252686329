import { afterEach, expect, test, vi } from 'vitest'
import { changeObjects } from './agent-setup'

afterEach(() => vi.unstubAllGlobals())

function refusedWith(kind: string) {
  const fault = { kind, id: kind === '' ? '' : 'ann', field: '', rule: 'it needs the right change in folder Berlin', code: 'not_permitted', values: { right: 'change', folder: 'Berlin' } }
  const problem = { type: 'forbidden', title: 'The caller may not do this', status: 403, detail: 'no', faults: [fault] }
  vi.stubGlobal('fetch', async () => Response.json(problem, { status: 403 }))
  return changeObjects('example', 'r1', false, [])
}

test('a missing right is a fault of the object that it is about, else of who asks', async () => {
  expect(await refusedWith('person')).toMatchObject({ kind: 'faults', faults: [{ id: 'ann', code: 'not_permitted' }] })
  expect(await refusedWith('')).toMatchObject({ kind: 'failed', failure: { kind: 'not-allowed' } })
})
