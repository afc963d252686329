import { expect, test } from 'vitest'
import { mayChange, mayMake } from './may-make'
import { SECTIONS } from './sections'

test('what concerns the whole tenant is offered to administrators alone', () => {
  const account = (...privileges: readonly string[]) => ({ kind: 'in', account: { tenant: 'example', user: 'ann', name: 'Ann', privileges, scopes: [] } }) as const
  const kept = (...privileges: readonly string[]) => SECTIONS.filter(({ kind, only }) => only === undefined && !mayMake(kind, account(...privileges))).map(({ path }) => path)
  expect(kept('folder_administrator', 'designer')).toEqual(['switches', 'numbers', 'trunks', 'trunk-groups', 'feature-codes', 'dial-rules', 'clients', 'access-groups', 'roles'])
  expect(kept('folder_administrator', 'administrator')).toEqual([])
  expect([mayMake('api_key', account('folder_administrator')), mayMake('api_key', account('administrator'))]).toEqual([false, true])
  expect(mayMake('trunk', { kind: 'asking' })).toBe(true)
  const may = (...privileges: readonly string[]) => [mayMake('skill', account(...privileges)), mayChange(account(...privileges))]
  expect([may('designer', 'integrator'), may('integrator', 'folder_administrator'), may('administrator')]).toEqual([[false, false], [true, true], [true, true]])
  expect(mayChange({ kind: 'out' })).toBe(true)
})
