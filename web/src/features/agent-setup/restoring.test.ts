import { expect, test } from 'vitest'
import { backTo, canRestore, losesSecret } from './restoring'

const entry = (id: string, revision: number, before: object | null, after: object | null) => ({ kind: 'skill', id, revision, before: before as {} | null, after: after as {} | null })

test('of one object every earlier state comes back', () => {
  const entries = [entry('a', 9, {}, {}), entry('a', 8, {}, {}), entry('a', 7, {}, null)]
  expect(entries.map((_, index) => canRestore(entries, index, false))).toEqual([false, true, false])
  expect(backTo(entry('a', 8, { x: 1 }, { x: 2 }))).toEqual({ revision: 8, object: { x: 2 } })
})

test('of all objects those come back that were deleted and are gone still', () => {
  const entries = [entry('a', 9, {}, null), entry('b', 8, null, {}), entry('b', 7, {}, null), entry('a', 6, {}, {})]
  expect(entries.map((_, index) => canRestore(entries, index, true))).toEqual([true, false, false, false])
  expect(backTo(entry('a', 9, { x: 1 }, null))).toEqual({ revision: 8, object: { x: 1 } })
})

test('a snapshot that was removed does not come back', () => {
  expect(canRestore([{ ...entry('before', 9, {}, null), kind: 'snapshot' }], 0, true)).toBe(false)
})

test('a secret is lost where the tenant comes back with another provider', () => {
  const tenant = (issuer: string) => ({ sign_in: { upstream: { issuer } } })
  const none = { sign_in: { upstream: null } }
  expect([losesSecret(tenant('a'), tenant('b')), losesSecret(none, tenant('b'))]).toEqual([true, true])
  expect([losesSecret(tenant('a'), tenant('a')), losesSecret(tenant('a'), none), losesSecret({}, {}), losesSecret(null, null)]).toEqual([false, false, false, false])
})
