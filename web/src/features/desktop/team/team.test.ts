import { expect, test } from 'vitest'
import { groupsIn, membersIn, queuesIn, steady } from '../../../api/workspace-team'
import { callIn } from '../../../api/workspace-shapes'
import { AT, call } from '../messages-for-tests'
import { countOf, listenTo, monitored, statesOf } from './team-actions'

const channel = (number: string, state: string, more: object = {}) => ({ channels: [{ name: 'voice', available: true, activity: 'Idle', phoneNumber: number, timeInCurrentState: 30, userState: { state }, ...more }] })
const user = (dbid: number, userName: string, availability?: object) => ({ dbid, userName, firstName: userName.toUpperCase(), lastName: 'A.', employeeId: userName, ...(availability === undefined ? {} : { availability }) })

const USERS = [
  user(3, 'cid', { channels: [] }),
  user(1, 'ann', channel('711', 'Ready')),
  user(2, 'bob', channel('712', 'NotReady', { activity: 'HandlingInboundCall' })),
  user(4, 'dan', channel('714', 'NotReady', { userState: { state: 'NotReady', workMode: 'AuxWork', reason: 'Lunch' } })),
  user(5, 'eve'),
]
const TEAM = membersIn({ users: USERS, totalMatches: 9 }, AT)

test('the people of a group are shown with where they are; those at work come first', () => {
  expect(TEAM.members.map(({ name, number, state, reason }) => [name, number, state, reason])).toEqual([
    ['ANN A.', '711', 'ready', ''],
    ['BOB A.', '712', 'talking', ''],
    ['DAN A.', '714', 'notReady', 'Lunch'],
    ['EVE A.', '', 'unknown', ''],
    ['CID A.', '', 'loggedOut', ''],
  ])
  expect([TEAM.all, TEAM.members[0]?.since, countOf(TEAM.members)]).toEqual([9, AT - 30_000, { ready: 1, talking: 1, others: 2 }])
  // A clock that is read again does not jump; another state begins anew.
  const later = (at: number) => steady(TEAM, membersIn({ users: USERS }, at)).members[0]?.since
  expect([later(AT + 900), later(AT + 9_000)]).toEqual([AT - 30_000, AT - 21_000])
})

test('states are offered with how many are in each; of those who are logged out the server says how many there are', () => {
  expect(statesOf(TEAM.members, 40)).toEqual([
    { state: 'ready', many: 1 },
    { state: 'talking', many: 1 },
    { state: 'notReady', many: 1 },
    { state: 'unknown', many: 1 },
    { state: 'loggedOut', many: 40 },
  ])
})

test('groups that may be watched go before those that one is in; queues with waiting calls come first', () => {
  const group = { DBID: 7, name: 'Day team', settings: {} }
  expect(groupsIn({ agentGroups: [group], monitorableAgentGroups: [] })).toEqual([{ id: '7', name: 'Day team' }])
  expect(groupsIn({ agentGroups: [group], monitorableAgentGroups: [{ DBID: 8, name: 'Night team' }] })).toEqual([{ id: '8', name: 'Night team' }])
  const queue = (name: string, waitingCalls: number) => ({ type: 'acd-queue', name, availability: { waitingCalls } })
  expect(queuesIn({ targets: [queue('a', 0), queue('b', 3), { type: 'acd-queue', name: 'c' }] })).toEqual([{ key: 'acd-queue b', name: 'b', waiting: 3 }, { key: 'acd-queue a', name: 'a', waiting: 0 }])
})

test('listening begins with the call of now; who listens already changes how', async () => {
  const asked: unknown[] = []
  const desk = { ask: (...what: unknown[]) => Promise.resolve(asked.push(what) > 0) }
  const [ann] = TEAM.members
  await listenTo(desk, [], ann!, 'whisper')
  expect(asked).toEqual([['start-monitoring', '', { phoneNumberToMonitor: '711', monitoringMode: 'Coach', monitoringNextCallType: 'Current', monitoringScope: 'Call' }]])
  const own = callIn(call('5', 'Established', { capabilities: ['release', 'switch-to-coaching', 'switch-to-barge-in'], participants: [{ number: '711', role: 'RoleDestination' }] }), AT)!
  expect([monitored([own], ann!)?.id, monitored([own], TEAM.members[1]!)]).toEqual(['5', undefined])
  await listenTo(desk, [own], ann!, 'bargeIn')
  expect(asked.at(-1)).toEqual(['switch-to-barge-in', '5'])
  // It is so already.
  await listenTo(desk, [own], ann!, 'listen')
  expect(asked).toHaveLength(2)
})
