import { afterEach, expect, test, vi } from 'vitest'
import { exchanged } from './link'
import { authorization, currentSession, signIn, whyNoTenant, type Keep } from './session'

const tokenOf = (claims: object): string => `h.${btoa(JSON.stringify(claims)).replaceAll('+', '-').replaceAll('/', '_')}.s`

/** An edge that answers so; what it was asked. */
function edge(status: number, body: unknown): readonly { readonly path: unknown; readonly init: RequestInit | undefined }[] {
  const asked: { path: unknown; init: RequestInit | undefined }[] = []
  vi.stubGlobal('fetch', (path: unknown, init?: RequestInit) => {
    asked.push({ path, init })
    return Promise.resolve(new Response(JSON.stringify(body), { status }))
  })
  return asked
}

function memory(): Keep & { readonly all: () => string } {
  const kept = new Map<string, string>()
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key), all: () => JSON.stringify([...kept]) }
}

afterEach(() => vi.unstubAllGlobals())

test('a token is given up for a link, and nothing of it is kept', async () => {
  const asked = edge(200, { link: 'abc' })
  const token = tokenOf({ tenant: 'example' })
  const given = await exchanged({ token, tenant: '' })
  expect(given).toEqual({ token: 'link:abc', tenant: 'example' })
  expect(asked).toMatchObject([{ path: '/session/exchange', init: { method: 'POST', headers: { Authorization: `Bearer ${token}` } } }])
  const keep = memory()
  signIn(given.token, given.tenant, keep)
  expect(keep.all()).not.toContain(token)
  expect(currentSession(keep)).toEqual(given)
  expect(authorization(given.token)).toEqual({ 'Trunkline-Link': 'abc' })
})
test('the tenant beside a token stays, and one for every tenant still needs it', async () => {
  edge(200, { link: 'abc' })
  const token = tokenOf({ tenant: '*' })
  expect(await exchanged({ token, tenant: 'acme' })).toEqual({ token: 'link:abc', tenant: 'acme' })
  const without = await exchanged({ token, tenant: '' })
  expect(without).toEqual({ token: 'link:abc', tenant: '' })
  expect(whyNoTenant(without).kind).toBe('no-tenant')
})
test.each([
  [401, {}],
  [404, {}],
  [200, {}],
  [200, { link: '' }],
])('what is not exchanged (%i, %j) goes on as a token', async (status, body) => {
  edge(status, body)
  expect(await exchanged({ token: 'a.b.c', tenant: 'acme' })).toEqual({ token: 'a.b.c', tenant: 'acme' })
})
test('an edge that is away, and a link that is one already', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new Error('away')))
  expect(await exchanged({ token: 'a.b.c', tenant: '' })).toEqual({ token: 'a.b.c', tenant: '' })
  const asked = edge(200, { link: 'other' })
  expect(await exchanged({ token: 'link:abc', tenant: 'acme' })).toEqual({ token: 'link:abc', tenant: 'acme' })
  expect(asked).toEqual([])
})
