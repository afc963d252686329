import { describe, expect, test } from 'vitest'
import { subscriptionIn, valuesIn } from '../../api/workspace-reporting'
import { callIn, configurationIn, type Call, type Configuration } from '../../api/workspace-shapes'
import { isCallable, recentsIn, targetIn, type Target } from '../../api/workspace-targets'
import { messageIn } from '../../api/workspace-messages'
import { addTexts } from '../../lib/i18n'
import { actionsOf } from './call-actions'
import { numberOfLink } from './click-to-dial'
import { dialled, firstMarked, isNumber, keyOf, meant, moved, placeOf, termOf } from './destination'
import { kindOf, presenceOf } from './directory-words'
import { AT, call, callChanged, CONFIGURATION, deskAfter, failed, READY } from './messages-for-tests'
import { agentNumbers, ownQueues, queueNumbers, statisticsOf } from './own-numbers'
import { keptIn, notParked, slotOf, stillAskedBack, waiting } from './parked'
import { opensNow, popsAfterMs, popsHere, screenPopOf } from './screen-pop'
import { whyThisCall } from './why'

await Promise.all([addTexts('desktop'), addTexts('desktop-work')])

const target = (more: object): Target => {
  const found = targetIn({ DBID: 7, type: 'agent', firstName: 'Ben', lastName: 'Brandt', userName: 'ben', number: '7102', ...more }, AT)
  if (found === undefined) throw new Error('no target')
  return found
}
const channel = (more: object): object => ({ availability: { channels: [{ name: 'email', activity: 'Idle' }, { name: 'voice', activity: 'Idle', timeInCurrentState: 90, ...more }] } })
const set = (...pairs: readonly (readonly [string, string])[]): Configuration => configurationIn({ ...CONFIGURATION, settings: [{ key: 'interaction-workspace', type: 'kvlist', value: pairs.map(([key, value]) => ({ key, type: 'str', value })) }] })
const read = (state: string, more: object = {}): Call => {
  const found = callIn(call('1', state, more), AT)
  if (found === undefined) throw new Error('no call')
  return found
}
const pairs = (data: Readonly<Record<string, string>>): object => ({ userData: Object.entries(data).map(([key, value]) => ({ key, type: 'str', value })) })

describe('whom a call can go to', () => {
  test('agents say what they do, groups who is ready, queues who waits', () => {
    const shown = (more: object): string => presenceOf(target(more).availability, configurationIn(CONFIGURATION))?.text ?? ''
    expect(shown(channel({ userState: { state: 'Ready' } }))).toBe('Ready')
    expect(shown(channel({ userState: { state: 'NotReady', workMode: 'AuxWork', reason: '1' } }))).toBe('Not ready, Lunch')
    expect(shown(channel({ userState: { state: 'NotReady', workMode: 'AfterCallWork' } }))).toBe('After-call work')
    expect(['HandlingInboundCall', 'HandlingConsultCall', 'ReceivingCall', 'CallOnHold'].map((activity) => shown(channel({ activity, userState: { state: 'Ready' } })))).toEqual(['On a call', 'On a call', 'A call rings', 'On a call, on hold'])
    expect(shown({ availability: { channels: [] } })).toBe('Logged out')
    expect([shown({ type: 'agent-group', availability: { readyAgents: 2 } }), shown({ type: 'acd-queue', availability: { waitingCalls: 1 } }), shown({})]).toEqual(['2 ready', '1 waits', ''])
    expect(presenceOf(target(channel({ userState: { state: 'Ready' } })).availability, undefined)?.since).toBe(AT - 90_000)
  })
  test('types are read as published programs write them; what is none is left out', () => {
    expect([target({ type: 'ROUTE_POINT', firstName: undefined, lastName: undefined, name: 'sales' }).type, targetIn({ type: 'planet', DBID: 1 }, AT)]).toEqual(['route-point', undefined])
    expect([kindOf(target({})), kindOf(target({ type: 'custom-contact', firstName: undefined, lastName: undefined, userName: undefined, number: undefined, numbers: ['+331'] }))]).toEqual(['Agent, 7102', 'Number'])
    expect(target({ number: '7102', ...channel({ phoneNumber: '7103' }) }).number).toBe('7103')
    expect([isCallable(target({ type: 'acd-queue', number: 'sales' })), isCallable(target({ type: 'acd-queue', number: '9000' })), isCallable(target({ type: 'agent-group', number: undefined }))]).toEqual([false, true, false])
  })
  test('recents say when, and which calls were missed', () => {
    const recents = recentsIn({ targets: [{ DBID: 1, type: 'agent', name: 'Ben', recentInformation: { media: 'voice', timeStamp: AT, isMissed: true } }, { id: '+331', type: 'custom-contact', recentInformation: { timeStamp: AT - 1 } }] }, AT)
    expect(recents.map(({ target: { name }, at, isMissed }) => [name, at - AT, isMissed])).toEqual([['Ben', 0, true], ['+331', -1, false]])
  })
})

describe('where a call goes', () => {
  const found = [target({}), target({ DBID: 8, number: '7103' })]
  const looked = { typed: 'ben', chosen: undefined, found, marked: 0, isGone: false, isLooking: false }
  test('a number is meant as it stands, a name as the marked one', () => {
    expect([dialled(' +49 (30) 1234-5 '), isNumber('+49 30'), isNumber('ben'), isNumber('sip:ben')]).toEqual(['+493012345', true, false, false])
    expect([meant(looked), meant({ ...looked, marked: 1 }), meant({ ...looked, chosen: found[1] })]).toEqual(['7102', '7103', '7103'])
    expect([meant({ ...looked, typed: '71 04', marked: firstMarked('71 04', found) }), firstMarked('ben', found), firstMarked('ben', [])]).toEqual(['7104', 0, -1])
    expect([meant({ ...looked, found: [], marked: -1, isLooking: true }), meant({ ...looked, typed: '7104', found: [], marked: -1, isLooking: true }), meant({ ...looked, found: [], marked: -1 })]).toEqual(['', '7104', 'ben'])
  })
  test('the one that was marked is meant, wherever it stands in the next list, and nobody where it is gone', () => {
    const key = keyOf(found[0]!)
    expect([placeOf(key, found), placeOf(key, [...found].reverse()), placeOf(key, []), placeOf('', found)]).toEqual([0, 1, -1, -1])
    expect([meant({ ...looked, marked: -1, isGone: true }), meant({ ...looked, typed: '7104', marked: -1, isGone: true })]).toEqual(['', '7104'])
  })
  test('arrows go round by way of none', () => {
    expect([moved(-1, 1, 2), moved(0, 1, 2), moved(1, 1, 2), moved(-1, -1, 2), moved(0, -1, 2), moved(-1, 1, 0)]).toEqual([0, 1, -1, 1, -1, -1])
  })
  test('short words and whole numbers of outside are not looked for', () => {
    expect(['b', 'be', ' Ben,  B ', '7', '7102', '+4930123456'].map(termOf)).toEqual(['', 'be', 'Ben   B', '', '7102', ''])
  })
  test('links bring numbers and nothing else', () => {
    expect(['?dial=tel%3A%2B49%2030-99', '?dial=tel:+4930', '?dial="7102"', '?dial=7102;ext=3', '?dial=javascript:alert(1)', '?dial=', '?x=1', `?dial=${'1'.repeat(65)}`].map(numberOfLink)).toEqual(['+493099', '+4930', '7102', '7102', undefined, undefined, undefined, undefined])
  })
})

describe('a parked call', () => {
  test('can be parked where the tenant has a code for it, and no consultation is', () => {
    const keys = (of: Call, code: string): readonly string[] => actionsOf(of, [of], code).filter(({ kind }) => kind === 'park').map((action) => action.keys)
    expect([keys(read('Established'), '*68'), keys(read('Established'), ''), keys(read('Ringing'), '*68'), keys(read('Established', { parentConnId: '9' }), '*68')]).toEqual([['p'], [], [], []])
    expect(slotOf('slot 7-1')).toBe('71')
  })
  test('waits no more when it is at the phone again', () => {
    const one = { call: '1', who: '+331', dial: '*6801', at: AT }
    expect([waiting([one], [read('Ringing')]), waiting([one], [read('Released')]), waiting([one], [])]).toEqual([[], [one], [one]])
  })
  test('that is asked back rings for that only while the switch has not refused it, and not for long', () => {
    const asked = { call: '1', at: AT }
    const fetch = { kind: 'asked', asked: { id: 'op', what: 'fetch-parked' } } as const
    const taken = deskAfter(READY, fetch, callChanged('1', 'Ringing'))
    expect([stillAskedBack(asked, taken, AT + 2_000), stillAskedBack(asked, taken, AT + 10_001), stillAskedBack(undefined, taken, AT)]).toEqual([asked, undefined, undefined])
    const refused = deskAfter(READY, fetch, failed(93, 'op'))
    expect(stillAskedBack(asked, refused, AT + 1)).toBeUndefined()
    expect(stillAskedBack(asked, deskAfter(refused, { ...fetch, asked: { ...fetch.asked, id: 'op-2' } }), AT + 1), 'asked once more').toEqual(asked)
  })
  test('is none where the slot was taken', () => {
    const [one, other] = ['1', '2'].map((id) => ({ call: id, who: '+331', dial: '*6801', at: AT }))
    const parking = deskAfter(READY, callChanged('1', 'Established'), { kind: 'asked', asked: { id: 'op', what: 'single-step-transfer' } })
    expect(notParked([one!, other!], parking)).toEqual([])
    expect(notParked([one!, other!], deskAfter(parking, failed(231, 'op')))).toEqual([one])
  })
  test('is known still when the page is loaded again, as long as it waits', () => {
    const kept = JSON.stringify([{ call: '1', who: '+331', dial: '*6801', at: AT }, { call: '2', who: '+332', dial: '*6802', at: AT - 60_000 }])
    expect([keptIn(kept, AT + 1), keptIn(kept, AT + 90_000), keptIn(kept, AT + 120_000)].map((all) => all.map(({ call: id }) => id))).toEqual([['1', '2'], ['1'], []])
    expect([keptIn(null, AT), keptIn('nonsense', AT), keptIn('[{"call":""}]', AT)]).toEqual([[], [], []])
  })
})

describe('why a call has come', () => {
  test('in words where the expression is simple, else as it stands', () => {
    const why = (data: Readonly<Record<string, string>>): string => whyThisCall(read('Ringing', pairs(data)), 'a1')
    expect(why({ RTargetObjectSelected: 'French >= 4 & Sales >= 1', RVQName: 'sales' })).toBe('Why you: the call from sales asks for French 4 or more, Sales 1 or more.')
    expect(why({ RTargetObjectSelected: 'a > 3 | b > 2' })).toBe('Why you: the call asks for a > 3 | b > 2.')
    expect([why({ RTargetObjectSelected: 'sales', RVQName: 'sales' }), why({ RTargetAgentSelected: 'a1', RVQName: 'sales' }), why({ RVQName: 'sales' }), why({})]).toEqual(['Why you: you take calls from sales.', 'Why you: you take calls from sales.', '', ''])
    expect(why({ RTargetObjectSelected: 'French >= 4', RTargetAgentSelected: 'a2', RVQName: 'sales' }), 'that of the colleague who has transferred it').toBe('')
  })
})

describe('the page about a caller', () => {
  const url = (template: string, data: Readonly<Record<string, string>> = {}): string | undefined => screenPopOf(read('Ringing', pairs(data)), set(['screen-pop.url', template]), 'a1')?.url
  test('has what is known of the call, each value as one part', () => {
    expect(url('https://crm.example/?n={number}&c={CustomerId}&a={agent}&x={nothing}', { CustomerId: 'a&b/../' })).toBe('https://crm.example/?n=%2B4930123456&c=a%26b%2F..%2F&a=a1&x=')
    expect(url('https://crm.example/{constructor}')).toBe('https://crm.example/')
    expect(url('https://crm.example/{data.number}', { number: '7' })).toBe('https://crm.example/7')
  })
  test('data of a caller does not say which site opens', () => {
    expect(['https://{Site}/', 'javascript:alert({number})', '//x/', 'https://crm.example@{Site}', 'https://crm.example{Site}/', ''].map((template) => url(template, { Site: 'evil.example' }))).toEqual(Array(6).fill(undefined))
  })
  test('data of a caller does not lead to another page of the site, and none is too odd to be written', () => {
    expect(['..', '.', '%2e%2e', 'a/..'].map((Id) => url('https://crm.example/customers/{Id}/edit', { Id }))).toEqual([undefined, undefined, 'https://crm.example/customers/%252e%252e/edit', 'https://crm.example/customers/a%2F../edit'])
    expect(url('https://crm.example/.{Id}/x', { Id: '.' })).toBeUndefined()
    const cut = url('https://crm.example/?c={Id}', { Id: `${'a'.repeat(499)}\u{1F600}` })
    expect(cut?.endsWith(`a${encodeURIComponent('\uFFFD')}`)).toBe(true)
  })
  test('opens with the answer, or as it rings', () => {
    expect([opensNow('answered', 'Ringing', read('Established')), opensNow('answered', undefined, read('Established')), opensNow('answered', undefined, read('Ringing')), opensNow('rings', undefined, read('Ringing')), opensNow('answered', 'Ringing', read('Established', { callType: 'Consult' }))]).toEqual([true, false, false, true, false])
    expect(screenPopOf(read('Ringing'), set(['screen-pop.url', 'https://crm.example'], ['screen-pop.when', 'rings']), '')?.when).toBe('rings')
  })
  test('of several tabs that one opens it in which the agent works, and only one does', () => {
    const at = (isPressed: boolean, isFocused: boolean, isSeen: boolean): number => popsAfterMs({ isPressed, isFocused, isSeen })
    const order = [at(true, true, true), at(false, true, true), at(false, false, true), at(false, false, false)]
    expect([order[0], [...order].sort((a, b) => a - b)]).toEqual([0, order])
    const kept = new Map<string, string>()
    const keep = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) }
    expect(['1', '1', '2'].map((call) => popsHere(call, keep))).toEqual([true, false, true])
  })
})

describe('own numbers', () => {
  const queue = target({ type: 'acd-queue', firstName: undefined, lastName: undefined, name: 'support', number: 'support' })
  const point = target({ type: 'route-point', firstName: undefined, lastName: undefined, name: 'sales', number: '9000' })
  const named = (configuration: Configuration, favourites: readonly Target[], all: readonly Target[]): readonly string[] => ownQueues(configuration, favourites, all).map(({ objectType, objectId }) => `${objectType} ${objectId}`)
  test('queues are those of the configuration, or else favourites, or else all', () => {
    expect(named(set(['statistics.queues', 'support, vip,support']), [point], [queue])).toEqual(['Queue support', 'Queue vip'])
    expect([named(set(), [target({}), point], [queue]), named(set(), [target({})], [queue, point])]).toEqual([['RoutePoint 9000'], ['Queue support', 'RoutePoint 9000']])
  })
  test('a group of the agent says more than the tenant', () => {
    const configuration = configurationIn({ settings: [{ key: 'interaction-workspace', type: 'kvlist', value: [{ key: 'statistics.queues', type: 'str', value: 'all' }] }], agentGroups: [{ name: 'Day', settings: { 'interaction-workspace': { 'statistics.queues': 'day' }, other: { 'screen-pop.url': 'x' } } }] })
    expect(configuration.settings).toEqual({ 'statistics.queues': 'day' })
  })
  test('values come by themselves, and stand beside those that are there', () => {
    const [queueOf] = ownQueues(set(), [queue], [])
    if (queueOf === undefined) throw new Error('no queue')
    const [first] = statisticsOf('1001', [])
    const values = [{ objectId: 'support', objectType: 'Queue', name: 'ServiceLevel', value: 0.874 }, { objectId: 'support', objectType: 'Queue', name: 'LongestWait', value: { intValue: 41 } }, { ...first, value: null }]
    expect(subscriptionIn({ subscriptionId: 'r1', statistics: [{ ...first, value: 7 }] })).toEqual({ id: 'r1', values: { 'Agent 1001 CallsHandled': 7 } })
    const state = deskAfter(READY, { messageType: 'StatisticsChanged', subscriptions: [{ subscriptionId: 'r1', statistics: [{ ...first, value: 7 }] }, { subscriptionId: 'r2', statistics: values }] }, callChanged('1', 'Ringing'))
    expect([agentNumbers(state.numbers, '1001').handled, queueNumbers(state.numbers, queueOf)]).toEqual([7, { waiting: undefined, longestS: 41, level: 0.874 }])
    expect([valuesIn({ statistics: [{ value: 'x' }] }), messageIn({ messageType: 'Else' }, AT)]).toEqual([{}, undefined])
  })
})
