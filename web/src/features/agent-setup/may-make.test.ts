import { expect, test } from 'vitest'
import { mayMake } from './may-make'
import { SECTIONS } from './sections'

test('what concerns the whole tenant is offered to administrators alone', () => {
  const account = (...privileges: readonly string[]) => ({ kind: 'in', account: { tenant: 'example', user: 'ann', name: 'Ann', privileges, scopes: [] } }) as const
  const kept = (...privileges: readonly string[]) => SECTIONS.filter(({ kind, only }) => only === undefined && !mayMake(kind, account(...privileges))).map(({ path }) => path)
  expect(kept('folder_administrator', 'designer')).toEqual(['switches', 'numbers', 'trunks', 'feature-codes', 'dial-rules', 'clients', 'access-groups', 'roles'])
  expect(kept('folder_administrator', 'administrator')).toEqual([])
  expect([mayMake('api_key', account('folder_administrator')), mayMake('api_key', account('administrator'))]).toEqual([false, true])
  expect(mayMake('trunk', { kind: 'asking' })).toBe(true)
})
