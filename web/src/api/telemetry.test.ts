import { expect, test } from 'vitest'
import type { Session } from './session'
import { errorItem, tabName, Telemetry, type Ask, type Told } from './telemetry'

const SESSION: Session = { token: 't', tenant: 'example' }
const OPENED = { type: 'event', name: 'page_opened' } as const

/** Answers questions by `told` and batches by `answers`, in their order; further batches are taken. */
function recorded(session: () => Session | undefined, told: Told | number = {}, answers: (Told | number)[] = []) {
  const bodies: string[] = []
  let now = 1_000
  let asked = 0
  const ask: Ask = (_, body) => {
    if (body === undefined) {
      asked += 1
      return Promise.resolve(told)
    }
    bodies.push(body)
    return Promise.resolve(answers.shift() ?? {})
  }
  const telemetry = new Telemetry(session, 's1', () => now, ask, () => 0.5)
  return { bodies, asked: () => asked, later: (ms: number) => (now += ms), telemetry }
}

test('items go in batches with their time, once it is known what is wanted', async () => {
  const { bodies, asked, telemetry } = recorded(() => SESSION)
  await telemetry.flush()
  telemetry.tell(OPENED)
  await telemetry.flush()
  await telemetry.flush()
  expect(bodies.map((body) => JSON.parse(body) as unknown)).toEqual([
    { app: { name: 'trunkline_pages', sessionId: 's1' }, items: [{ type: 'event', name: 'page_opened', ts: 1_000 }] },
  ])
  expect(asked()).toBe(1)
})

test('nothing is sent without a session, and nothing for a while after a refusal', async () => {
  const nobody = recorded(() => undefined)
  nobody.telemetry.tell(OPENED)
  await nobody.telemetry.flush()
  expect([nobody.asked(), nobody.bodies]).toEqual([0, []])
  const refused = recorded(() => SESSION, {}, [{ off: true }, { off: true }])
  for (const wait of [0, 1_000, 600_000]) {
    refused.later(wait)
    refused.telemetry.tell(OPENED)
    await refused.telemetry.flush()
  }
  expect(refused.bodies).toHaveLength(2)
  expect(refused.asked()).toBe(2)
})

test('what the installation wants is heeded', async () => {
  const off = recorded(() => SESSION, { off: true })
  off.telemetry.tell(OPENED)
  await off.telemetry.flush()
  expect(off.bodies).toEqual([])
  const few = recorded(() => SESSION, { samplingRate: 0.4, flushIntervalMs: 60_000 })
  expect(few.telemetry.flushMs).toBe(10_000)
  few.telemetry.tell(OPENED)
  few.telemetry.tell(errorItem('error_script', new Error('x'), '/'))
  await few.telemetry.flush()
  few.telemetry.tell(OPENED)
  await few.telemetry.flush()
  expect(few.bodies).toHaveLength(1)
  expect(few.bodies[0]).toContain('error_script')
  expect(few.bodies[0]).not.toContain('page_opened')
  expect(few.telemetry.flushMs).toBe(60_000)
})

test('a page that closes does not wait for what is wanted', async () => {
  const { bodies, asked, telemetry } = recorded(() => SESSION, 30_000)
  telemetry.tell(OPENED)
  await telemetry.flush(true)
  expect([asked(), bodies.length]).toEqual([0, 1])
})

test('what came too often or to nobody is sent again, after the time that was told', async () => {
  const { bodies, later, telemetry } = recorded(() => SESSION, {}, [5_000])
  telemetry.tell(OPENED)
  await telemetry.flush()
  await telemetry.flush()
  expect(bodies).toHaveLength(1)
  later(5_000)
  await telemetry.flush()
  await telemetry.flush()
  expect(bodies).toHaveLength(2)
  expect(bodies[1]).toBe(bodies[0])
})

test('a loop of errors fills no memory, whatever becomes of them', async () => {
  const { bodies, later, telemetry } = recorded(() => SESSION, {}, [1, 1])
  for (let i = 0; i < 1_000; i += 1) telemetry.tell(errorItem('error_script', new Error('x'.repeat(1_000)), '/'))
  for (let i = 0; i < 10; i += 1) {
    await telemetry.flush()
    later(1)
  }
  expect(bodies).toHaveLength(4)
  expect(bodies[0]?.length).toBeLessThan(60_000)
})

test('half a character, cut off or thrown, refuses no batch', async () => {
  const { bodies, telemetry } = recorded(() => SESSION)
  telemetry.tell(errorItem('error_script', `${'x'.repeat(299)}📞`, '/'))
  telemetry.tell(errorItem('error_script', 'whole 📞 half \udcde', '/'))
  await telemetry.flush()
  expect(bodies).toHaveLength(1)
  expect(bodies[0]).not.toMatch(/\\ud[89a-f]/i)
  expect(bodies[0]).toContain('xxx\ufffd"')
  expect(bodies[0]).toContain('"whole 📞 half \ufffd"')
})

test('each tab has a name of its own', () => {
  expect(tabName()).toMatch(/^[0-9a-f]{32}$/)
  expect(tabName()).not.toBe(tabName())
})
