import { expect, test } from 'vitest'
import { accountIn } from '../../api/account'
import { afterAnswer, type AccountState } from '../../live/account'
import { applicationAt, offersTopology, offersTraces, othersFor } from './applications'

const person = (...privileges: string[]): AccountState => ({ kind: 'in', account: { tenant: 'example', user: 'ann', name: 'Ann', privileges, scopes: [] } })
const names = (state: AccountState, from: string, hasToken = false): readonly string[] => othersFor(state, applicationAt(from), hasToken).map(({ name }) => name)

test('an address belongs to an application', () => {
  expect(['/', '/trace/1', '/agent-setup', '/agent-setup/people', '/agent-setups', '/desktop', '/desktops'].map((path) => applicationAt(path).name)).toEqual(['dashboards', 'dashboards', 'agent-setup', 'agent-setup', 'dashboards', 'desktop', 'dashboards'])
})
test('who is shown the way to which application', () => {
  expect(names(person('administrator'), '/')).toEqual(['agent-setup'])
  expect(names(person('supervisor'), '/')).toEqual(['desktop'])
  expect(names(person('supervisor', 'view_dashboard'), '/agent-setup')).toEqual(['dashboards', 'desktop'])
  expect(names(person('agent', 'view_dashboard_restricted'), '/desktop')).toEqual(['dashboards'])
  expect(names(person('agent'), '/')).toEqual(['desktop'])
  for (const reader of ['designer', 'integrator']) expect(names(person(reader, 'view_dashboard'), '/')).toEqual(['agent-setup'])
  expect(names({ kind: 'out' }, '/agent-setup', true)).toEqual(['dashboards'])
  expect(names({ kind: 'out' }, '/')).toEqual([])
})

test('the topology is offered to who came by a link, and not to people of a tenant', () => {
  expect([offersTopology(person('administrator'), false), offersTopology(person('administrator'), true), offersTopology({ kind: 'out' }, false)]).toEqual([false, true, true])
})

test('the traces are offered to who came by a link, and to people who may read them', () => {
  const reader: AccountState = { kind: 'in', account: { tenant: 'example', user: 'dina', name: 'Dina', privileges: ['designer'], scopes: ['trace:read'] } }
  expect([offersTraces(reader, false), offersTraces(person('integrator'), false), offersTraces(person('integrator'), true), offersTraces({ kind: 'out' }, false)]).toEqual([true, false, true, true])
})

const ann = { signed_in: true, tenant: 'example', user: 'ann', name: 'Ann Archer', privileges: ['administrator'], scopes: [], until: 1 }
test('what the server says of who has signed in', () => {
  expect(accountIn({ signed_in: false })).toEqual({ kind: 'ok', value: undefined })
  expect(accountIn(ann)).toMatchObject({ kind: 'ok', value: { user: 'ann', name: 'Ann Archer' } })
  expect(accountIn({ ...ann, tenant: undefined })).toMatchObject({ kind: 'failed' })
  expect(accountIn('<html>')).toMatchObject({ kind: 'failed' })
})
test('a session that ends leaves what was done in it, and only for the same person', () => {
  const before = afterAnswer({ kind: 'asking' }, accountIn(ann))
  expect(before.kind).toBe('in')
  const ended = afterAnswer(before, accountIn({ signed_in: false }))
  expect(ended).toMatchObject({ kind: 'ended', account: { user: 'ann' } })
  expect(afterAnswer(ended, accountIn(ann)).kind).toBe('in')
  const other = afterAnswer(ended, accountIn({ ...ann, user: 'bob' }))
  expect(other).toMatchObject({ kind: 'other', account: { user: 'ann' }, now: { user: 'bob' } })
  expect(afterAnswer(other, accountIn(ann)).kind).toBe('in')
  expect(afterAnswer(other, accountIn({ signed_in: false }))).toMatchObject({ kind: 'ended', account: { user: 'ann' } })
  const failed = { kind: 'failed', failure: { kind: 'unreachable', detail: '' } } as const
  expect(afterAnswer(before, failed)).toBe(before)
  expect(afterAnswer({ kind: 'asking' }, failed).kind).toBe('unknown')
})
