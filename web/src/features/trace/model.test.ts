import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { folded } from './folded'
import { ladderOf } from './ladder'
import { fieldsOf, mosWord, nextLook, type Message, type Party, type Trace } from './model'

const trace = JSON.parse(readFileSync(new URL('../../../mock/trace.json', import.meta.url), 'utf8')) as Trace
const party = (id: string, inside: boolean): Party => ({ id, name: id, inside })
const message = (at: number, from: string, to: string, more: Partial<Message> = {}): Message => ({
  at, from, to, label: 'INVITE', method: 'INVITE', status: null, callId: 'a', transport: 'udp', sdp: false, repeat: false, text: '', ...more,
})

describe('the ladder', () => {
  const parties = [party('phone', false), party('proxy', true), party('cluster', true), party('unused', true)]
  const messages = [message(2, 'proxy', 'cluster'), message(1, 'phone', 'proxy'), message(3, 'cluster', 'proxy', { status: 183, callId: 'b' }), message(4, 'proxy', 'phone', { status: 486 })]

  test('messages stand in the order of time, columns in that of the parties, without the idle ones', () => {
    const { columns, rungs } = ladderOf(parties, messages, 'all')
    expect(columns.map((column) => column.id)).toEqual(['phone', 'proxy', 'cluster'])
    expect(rungs.map((rung) => [rung.from, rung.to, rung.tone, rung.dialog])).toEqual([[0, 1, 'request', 1], [1, 2, 'request', 1], [2, 1, 'provisional', 2], [1, 0, 'failure', 1]])
  })
  test('what happens inside can be left out', () => {
    const { columns, rungs } = ladderOf(parties, messages, 'outside')
    expect([columns.map((column) => column.id), rungs.length]).toEqual([['phone', 'proxy'], 2])
  })
  test('somebody who is not introduced has a column too', () => {
    expect(ladderOf([], [message(1, 'x', 'y')], 'all').columns.map((column) => column.name)).toEqual(['x', 'y'])
  })
  test('a message keeps its id when the call is looked at again and more has come', () => {
    const twice = [...messages, message(1, 'phone', 'proxy')]
    const before = ladderOf(parties, twice, 'all').rungs.map((rung) => rung.id)
    const after = ladderOf(parties, [...(JSON.parse(JSON.stringify(twice)) as Message[]), message(9, 'phone', 'proxy', { label: 'BYE' })], 'all').rungs.map((rung) => rung.id)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(new Set(after).size).toBe(after.length)
  })
  test('every message of a whole call has its place', () => {
    const { columns, rungs } = ladderOf(trace.ladder.parties, trace.ladder.messages, 'all')
    expect(rungs).toHaveLength(trace.ladder.messages.length)
    for (const rung of rungs) expect(rung.from !== rung.to && rung.from < columns.length && rung.to < columns.length).toBe(true)
  })
})

test('a call that goes on is looked at again, and a little longer than it lasts', () => {
  const at = (endedAt: number | null): Trace => ({ ...trace, call: { ...trace.call, endedAt } })
  expect([nextLook(at(null), 1_000_000), nextLook(at(999_000), 1_000_000), nextLook(at(900_000), 1_000_000)]).toEqual([2_000, 2_000, undefined])
})

test('agents who share a reason stand in one line, those who were near each in their own', () => {
  const many = ['1', '2', '3', '4'].map((agent) => ({ agent, idleMs: null, passedOver: 'logged-out', text: 'is not logged in' }))
  const near = ['5', '6', '7', '8'].map((agent) => ({ agent, idleMs: 1_000, passedOver: 'idle-shorter', text: 'is free' }))
  const few = ['9', '10', '11'].map((agent) => ({ agent, idleMs: null, passedOver: 'skills', text: 'does not have the skills' }))
  const lines = folded([...many.slice(0, 2), ...near, ...many.slice(2), ...few])
  expect(lines.map((line) => (line.kind === 'many' ? line.agents.join() : line.candidate.agent))).toEqual(['1,2,3,4', '5', '6', '7', '8', '9', '10', '11'])
})

test('fields of an event read as words', () => {
  expect(fieldsOf({ at: 1, name: 'EventX', thisDn: '9000', otherDn: null, extensions: [['Result', 'Completed']], userData: ['a', 'b'] })).toBe('thisDn 9000 · extensions Result=Completed · userData a, b')
})

test.each([[4.37, 'good'], [4, 'good'], [3.8, 'fair'], [3.59, 'poor'], [1, 'poor']])('MOS %s is %s', (mos, word) => {
  expect(mosWord(mos)).toBe(word)
})
