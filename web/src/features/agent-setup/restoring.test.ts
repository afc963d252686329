import { expect, test } from 'vitest'
import { backTo, canRestore } from './restoring'

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
