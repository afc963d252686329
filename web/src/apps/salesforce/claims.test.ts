import { expect, test } from 'vitest'
import { newClaim } from './claims'

/** Locks as several pages share them. */
function locks(): Pick<LockManager, 'request'> & { readonly held: Set<string> } {
  const held = new Set<string>()
  const request = async (name: string, _: LockOptions, run: (lock: Lock | null) => unknown): Promise<void> => {
    await Promise.resolve()
    if (held.has(name)) return void run(null)
    held.add(name)
    await run({ name, mode: 'exclusive' })
    held.delete(name)
  }
  return { held, request: request as LockManager['request'] }
}
const now = (run: () => void): void => run()

test('a call is for one page, from its first claim on', async () => {
  const shared = locks()
  const [one, other] = [newClaim(shared, () => false), newClaim(shared, () => false)]
  expect(await Promise.all([one('01'), one('01'), other('01'), other('02')])).toEqual([true, true, false, true])
  expect([await one('01'), await other('01'), await one('02')]).toEqual([true, false, false])
})
test('the page at which the agent looks goes first', async () => {
  const shared = locks()
  const waits: (() => void)[] = []
  const hidden = newClaim(shared, () => true, (run) => void waits.push(run))('01')
  expect(await newClaim(shared, () => false)('01')).toBe(true)
  for (const run of waits) run()
  expect(await hidden).toBe(false)
  expect(await newClaim(shared, () => true, now)('02')).toBe(true)
})
test('what a page has goes to another one once the page is gone', async () => {
  const shared = locks()
  const other = newClaim(shared, () => false)
  await newClaim(shared, () => false)('01')
  expect(await other('01')).toBe(false)
  shared.held.clear()
  expect(await other('01')).toBe(true)
})
test('without locks, or where they fail, each page has each call, and no page has more than so many', async () => {
  expect(await newClaim(undefined, () => false)('01')).toBe(true)
  expect(await newClaim({ request: () => Promise.reject(new Error('no')) }, () => false)('01')).toBe(true)
  const shared = locks()
  const one = newClaim(shared, () => false)
  for (let call = 0; call < 60; call += 1) await one(String(call))
  await new Promise((resolve) => setTimeout(resolve))
  expect(shared.held.size).toBe(50)
})
