import { expect, test } from 'vitest'
import { askOthers, tellOthers, type Channel } from './hand-over'
import { currentSession, signIn, type Keep } from './session'

function memory(): Keep {
  const kept = new Map<string, string>()
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value), removeItem: (key) => void kept.delete(key) }
}

/** Tabs of one browser: each hears the others, not itself. */
function browser(): () => Channel {
  const tabs: ((event: { readonly data: unknown }) => void)[][] = []
  return () => {
    const own: ((event: { readonly data: unknown }) => void)[] = []
    tabs.push(own)
    return {
      postMessage: (data) => tabs.filter((tab) => tab !== own).forEach((tab) => tab.forEach((heard) => heard({ data }))),
      addEventListener: (_, heard) => void own.push(heard),
    }
  }
}
const pause = Promise.resolve()

test('a new tab gets the token of the tab that was used last', async () => {
  const open = browser()
  for (const [token, tenant, usedAt] of [['a', 'acme', 1], ['b', 'example', 3], ['c', 'other', 2]] as const) {
    const keep = memory()
    signIn(token, tenant, keep)
    tellOthers(open(), keep, () => usedAt)
  }
  const keep = memory()
  expect(await askOthers(open(), keep, pause)).toBe('told')
  expect(currentSession(keep)).toMatchObject({ token: 'b', tenant: 'example' })
})

test('without another tab, or one that has a token, there is none', async () => {
  const open = browser()
  tellOthers(open(), memory(), () => 1)
  const keep = memory()
  expect(await askOthers(open(), keep, pause)).toBe('nobody')
  expect(currentSession(keep)).toBeUndefined()
})

test.each([null, 'told', { kind: 'told' }, { kind: 'told', token: '', tenant: '', usedAt: 1 }, { kind: 'told', token: 1, tenant: 'x', usedAt: 1 }])('what is no answer, %j, is left alone', async (said) => {
  const open = browser()
  const other = open()
  other.addEventListener('message', () => other.postMessage(said))
  const keep = memory()
  expect(await askOthers(open(), keep, pause)).toBe('nobody')
  expect(currentSession(keep)).toBeUndefined()
})
