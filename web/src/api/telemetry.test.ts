import { expect, test } from 'vitest'
import type { Session } from './session'
import { errorItem, tabName, Telemetry, type Send } from './telemetry'

const SESSION: Session = { token: 't', tenant: 'example' }

function recorded(session: () => Session | undefined, outcome: 'taken' | 'unwanted' = 'taken') {
  const bodies: string[] = []
  let now = 1_000
  const send: Send = (_, body) => {
    bodies.push(body)
    return Promise.resolve(outcome)
  }
  return { bodies, later: (ms: number) => (now += ms), telemetry: new Telemetry(session, 's1', () => now, send) }
}

test('items go in batches with their time', async () => {
  const { bodies, telemetry } = recorded(() => SESSION)
  await telemetry.flush()
  telemetry.tell({ type: 'event', name: 'page_opened' })
  await telemetry.flush()
  await telemetry.flush()
  expect(bodies.map((body) => JSON.parse(body) as unknown)).toEqual([
    { app: { name: 'trunkline_pages', sessionId: 's1' }, items: [{ type: 'event', name: 'page_opened', ts: 1_000 }] },
  ])
})

test('nothing is sent without a session, and nothing for a while after a refusal', async () => {
  const nobody = recorded(() => undefined)
  nobody.telemetry.tell({ type: 'event', name: 'x' })
  await nobody.telemetry.flush()
  expect(nobody.bodies).toEqual([])
  const refused = recorded(() => SESSION, 'unwanted')
  for (const wait of [0, 1_000, 600_000]) {
    refused.later(wait)
    refused.telemetry.tell({ type: 'event', name: 'x' })
    await refused.telemetry.flush()
  }
  expect(refused.bodies).toHaveLength(2)
})

test('a loop of errors fills no memory', async () => {
  const { bodies, telemetry } = recorded(() => SESSION)
  for (let i = 0; i < 1_000; i += 1) telemetry.tell(errorItem('error_script', new Error('x'.repeat(1_000)), '/'))
  for (let i = 0; i < 10; i += 1) await telemetry.flush()
  expect(bodies).toHaveLength(2)
  expect(bodies[0]?.length).toBeLessThan(60_000)
})

test('each tab has a name of its own', () => {
  expect(tabName()).toMatch(/^[0-9a-f]{32}$/)
  expect(tabName()).not.toBe(tabName())
})
