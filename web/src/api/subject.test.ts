import { afterEach, expect, test, vi } from 'vitest'
import { changeObjects, getObject } from './agent-setup'
import { writeAs } from './subject'

const SKILL = { id: 'French', revision: 1, object: {} }

function answerWith(body: object): ReturnType<typeof vi.fn<typeof fetch>> {
  const asked = vi.fn<typeof fetch>(async () => Response.json(body))
  vi.stubGlobal('fetch', asked)
  return asked
}

afterEach(() => {
  writeAs(undefined, true)
  vi.unstubAllGlobals()
})

test('a change says for whom it is', async () => {
  const asked = answerWith({ revision: 2, changes: [] })
  writeAs('zoë', true)
  expect((await changeObjects('example', 'r1', false, [])).kind).toBe('ok')
  expect(asked.mock.calls[0]?.[1]?.headers).toMatchObject({ 'X-Trunkline-Subject': 'zo%C3%AB' })
})

test('nothing is written in the name of somebody who has signed in elsewhere; it can still be read', async () => {
  const asked = answerWith(SKILL)
  writeAs('ann', false)
  expect(await changeObjects('example', 'r1', false, [])).toMatchObject({ kind: 'failed', failure: { kind: 'refused-token' } })
  expect(asked).not.toHaveBeenCalled()
  expect((await getObject('example', 'skill', 'French')).kind).toBe('ok')
})

test('what the server refuses since somebody else is signed in by now makes the page ask who that is', async () => {
  vi.stubGlobal('fetch', async () => Response.json({ type: 'another-person', title: 'Somebody else is signed in now', status: 412 }, { status: 412 }))
  writeAs('ann', true)
  expect(await changeObjects('example', 'r1', false, [])).toMatchObject({ kind: 'failed', failure: { kind: 'refused-token' } })
})
