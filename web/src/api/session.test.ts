import { expect, test } from 'vitest'
import { currentSession, givenIn, givenInFragment, signIn, signOut, whyNoTenant, type Keep } from './session'

function memory(): Keep {
  const kept = new Map<string, string>()
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) }
}
const tokenOf = (claims: object): string => `h.${btoa(JSON.stringify(claims)).replaceAll('+', '-').replaceAll('/', '_')}.s`

/** As the page begins, where the edge exchanges nothing. */
function takeFromFragment(fragment: string, keep: Keep): 'taken' | 'none' {
  const given = givenInFragment(fragment)
  if (given === undefined) return 'none'
  signIn(given.token, given.tenant, keep)
  return 'taken'
}

test('a token in the fragment is taken, with the tenant that it is for', () => {
  const keep = memory()
  const token = tokenOf({ tenant: 'example' })
  expect(takeFromFragment(`#token=${token}`, keep)).toBe('taken')
  expect(currentSession(keep)).toEqual({ token, tenant: 'example' })
})
test('a token for any tenant needs the tenant beside it', () => {
  const keep = memory()
  takeFromFragment(`#token=${tokenOf({ tenant: '*' })}`, keep)
  expect(currentSession(keep)?.tenant).toBe('')
  takeFromFragment(`#token=${tokenOf({ tenant: '*' })}&tenant=acme`, keep)
  expect(currentSession(keep)?.tenant).toBe('acme')
})
test('another link replaces what was kept', () => {
  const keep = memory()
  takeFromFragment('#token=a.b.c&tenant=acme', keep)
  takeFromFragment(`#token=${tokenOf({ tenant: 'example' })}`, keep)
  expect(currentSession(keep)?.tenant).toBe('example')
})
test.each(['', '#', '#content', '#token=', '#token=%20'])('a fragment %j is no token', (fragment) => {
  const keep = memory()
  expect(takeFromFragment(fragment, keep)).toBe('none')
  expect(currentSession(keep)).toBeUndefined()
})
test('what is no token of ours does no harm, and a token can be forgotten', () => {
  const keep = memory()
  takeFromFragment('#token=nonsense', keep)
  expect(currentSession(keep)).toEqual({ token: 'nonsense', tenant: '' })
  signOut(keep)
  expect(currentSession(keep)).toBeUndefined()
})

test.each([
  ['a.b.c', 'a.b.c', ''],
  [' a.b.c&tenant=acme ', 'a.b.c', 'acme'],
  ['token=a.b.c&tenant=acme', 'a.b.c', 'acme'],
  ['#token=a.b.c', 'a.b.c', ''],
  ['http://127.0.0.1:8080/trace#token=a.b.c&tenant=acme', 'a.b.c', 'acme'],
])('%j is a token with what stands beside it', (text, token, tenant) => {
  expect(givenIn(text)).toEqual({ token, tenant })
})
test.each(['', '  ', '#', '#token='])('%j is no token', (text) => {
  expect(givenIn(text)).toBeUndefined()
})
test('a token for any tenant is told from one that cannot be read', () => {
  expect(whyNoTenant({ token: tokenOf({ tenant: '*' }), tenant: '' }).kind).toBe('no-tenant')
  for (const token of ['abc', 'a.b.c', tokenOf({})]) expect(whyNoTenant({ token, tenant: '' }).kind).toBe('unreadable-token')
})
