import { afterEach, expect, test, vi } from 'vitest'
import { askAccount } from './account'

afterEach(() => vi.unstubAllGlobals())

test('a page that asks by itself says so, so that it keeps nobody signed in', async () => {
  const asked: unknown[] = []
  vi.stubGlobal('fetch', (path: unknown) => {
    asked.push(path)
    return Promise.resolve(new Response(JSON.stringify({ signed_in: false }), { status: 200 }))
  })
  expect(await askAccount('page')).toEqual({ kind: 'ok', value: undefined })
  await askAccount('person')
  expect(asked).toEqual(['/session?by=page', '/session'])
})
