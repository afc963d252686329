import { describe, expect, test } from 'vitest'
import { reduce, type Agent, type Board, type Fact, type Queue, type States } from './model'
import { noNumbers } from './numbers.fixture'

const states: States = { ready: 0, notReady: 0, afterCallWork: 0, ringing: 0, dialing: 0, onHold: 0, inbound: 0, outbound: 0, internal: 0, consult: 0, unknown: 0, loggedOut: 0 }
const queue = (id: string, more: Partial<Queue> = {}): Queue => ({ ...noNumbers, id, name: id, history: [], ...more })
const agent = (id: string, name: string, more: Partial<Agent> = {}): Agent => ({ id, name, extension: null, state: 'ready', reason: null, since: 1, ...more })

const snapshot = (more: Partial<Extract<Fact, { kind: 'snapshot' }>> = {}): Fact => ({
  kind: 'snapshot',
  tenant: 'example',
  name: 'Example Company',
  position: 'a-10',
  countsSince: 0,
  at: 1_000,
  eventAt: null,
  totals: noNumbers,
  states,
  queues: [queue('sales'), queue('support')],
  agents: [agent('2', 'Berta'), agent('1', 'Anton')],
  ...more,
})
const change = (more: Partial<Extract<Fact, { kind: 'change' }>> = {}): Fact => ({ kind: 'change', position: 'a-11', countsSince: 0, at: 2_000, eventAt: 1_990, totals: noNumbers, states, ...more })

const after = (...facts: readonly Fact[]): Board => {
  const board = facts.reduce<Board | undefined>(reduce, undefined)
  if (board === undefined) throw new Error('no board')
  return board
}

describe('reduce', () => {
  test('nothing is shown before a snapshot', () => {
    expect([change(), { kind: 'reached' as const, at: 5 }].reduce<Board | undefined>(reduce, undefined)).toBeUndefined()
  })

  test('agents stand by name', () => {
    expect(after(snapshot()).agents.map((row) => row.name)).toEqual(['Anton', 'Berta'])
  })

  test('a change replaces whole rows and leaves the others as they are', () => {
    const before = after(snapshot())
    const board = after(snapshot(), change({ queues: [queue('support', { waiting: 3 })], agents: [agent('1', 'Anton', { state: 'inbound' })] }))
    expect(board.queues.map((row) => row.waiting)).toEqual([0, 3])
    expect(board.agents.map((row) => row.state)).toEqual(['inbound', 'ready'])
    const next = reduce(before, change({ agents: [agent('1', 'Anton', { state: 'inbound' })] }))
    expect(next?.agents[1]).toBe(before.agents[1])
    expect(next?.queues).toBe(before.queues)
  })

  test('rows come and go', () => {
    const board = after(snapshot(), change({ agents: [{ id: '2', removed: true }, agent('3', 'Aaron')], queues: [queue('billing'), { id: 'sales', removed: true }] }))
    expect(board.agents.map((row) => row.name)).toEqual(['Aaron', 'Anton'])
    expect(board.queues.map((row) => row.id)).toEqual(['support', 'billing'])
  })

  test('a row that goes twice does no harm', () => {
    expect(after(snapshot(), change({ agents: [{ id: '9', removed: true }] })).agents).toHaveLength(2)
  })

  test('somebody who is renamed moves', () => {
    expect(after(snapshot(), change({ agents: [agent('1', 'Zacharias')] })).agents.map((row) => row.id)).toEqual(['2', '1'])
  })

  test('a new snapshot takes the place of everything, also when the server counts anew', () => {
    const board = after(snapshot(), change(), snapshot({ position: 'b-1', agents: [], queues: [queue('sales', { waiting: 4 })] }))
    expect([board.position, board.agents.length, board.queues[0]?.waiting]).toEqual(['b-1', 0, 4])
  })

  test('silence that is broken moves the age of the data alone', () => {
    const before = after(snapshot())
    expect(reduce(before, { kind: 'reached', at: 7_000 })).toEqual({ ...before, at: 7_000 })
  })
})
