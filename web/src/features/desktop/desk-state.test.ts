import { describe, expect, test } from 'vitest'
import { NEW_DESK, type DeskState } from './desk-state'
import { call, callChanged, complete, deskAfter, dn, dnChanged, failed, READY, session } from './messages-for-tests'

const phases = (state: DeskState): readonly string[] => state.calls.map(({ id, phase }) => `${id} ${phase}`)
const activation = { kind: 'asked', asked: { id: 'op-1', what: 'activate' } } as const

describe('the begin', () => {
  test('after the initialisation a place is chosen, and with the DN the work begins', () => {
    const progress = { messageType: 'WorkspaceInitializationProgress', state: 'Executing', progress: { percentComplete: 50 } }
    const begun = deskAfter(NEW_DESK, progress, complete)
    expect(begun).toMatchObject({ phase: { kind: 'choosing', from: 'begin' }, user: { agent: '1001', place: 'P7101' }, configuration: { reasons: [{ code: '1', name: 'Lunch' }] } })
    const working = deskAfter(begun, activation, dnChanged('NotReady'))
    expect(working).toMatchObject({ phase: { kind: 'working' }, dn: { state: 'NotReady', agent: '1001' } })
  })
  test('an initialisation that fails says why', () => {
    const state = deskAfter(NEW_DESK, { messageType: 'WorkspaceInitializationComplete', state: 'Failed', errors: [{ key: 'message', type: 'str', value: 'no such person' }] })
    expect(state.phase).toEqual({ kind: 'not-begun', why: { kind: 'error', code: 0, why: 'no such person' } })
  })
  test('a login that is refused leads back to the choice, with why', () => {
    const state = deskAfter(NEW_DESK, complete, activation, failed(527, 'op-1'))
    expect([state.phase.kind, state.troubles]).toMatchObject(['choosing', [{ what: 'activate', why: { kind: 'error', code: 527 } }]])
    expect(deskAfter(state, { ...activation, asked: { id: 'op-2', what: 'activate' } }).troubles).toEqual([])
  })
  test('a page that is loaded again shows what there is', () => {
    const state = deskAfter(NEW_DESK, { kind: 'reading' }, session({ dn: dn('NotReady', { agentWorkMode: 'AfterCallWork' }), calls: [call('1', 'Held'), call('2', 'Established')] }))
    expect([state.phase.kind, phases(state), state.selected, state.missed]).toEqual(['working', ['1 Held', '2 Established'], '2', []])
  })
  test('and no call as one to wrap up that nobody has answered', () => {
    const state = deskAfter(NEW_DESK, { kind: 'reading' }, session({ dn: dn('Ready'), calls: [call('1', 'Released', { wasAnswered: false }), call('2', 'Released')] }))
    expect(phases(state)).toEqual(['2 Released'])
  })
  test('a session without a DN leads to the choice, one that is not begun waits', () => {
    expect(deskAfter(NEW_DESK, { kind: 'reading' }, session()).phase).toEqual({ kind: 'choosing', from: 'begin' })
    const waiting = session()
    if (waiting.kind !== 'session') throw new Error('no session')
    expect(deskAfter(NEW_DESK, { kind: 'reading' }, { ...waiting, session: { ...waiting.session, beginning: 'Executing' } }).phase.kind).toBe('beginning')
  })
})

describe('calls', () => {
  test('a call rings, is answered, held, taken back, released, and stays until it is completed', () => {
    const ringing = deskAfter(READY, callChanged('1', 'Ringing'))
    expect([phases(ringing), ringing.selected]).toEqual([['1 Ringing'], '1'])
    const held = deskAfter(ringing, callChanged('1', 'Established'), callChanged('1', 'Held'))
    expect(phases(held)).toEqual(['1 Held'])
    const released = deskAfter(held, callChanged('1', 'Established'), callChanged('1', 'Released'), dnChanged('NotReady', { agentWorkMode: 'AfterCallWork' }))
    expect([phases(released), released.dn?.workMode]).toEqual([['1 Released'], 'AfterCallWork'])
    // The published client adds it once more for this message.
    expect(phases(deskAfter(released, callChanged('1', 'Completed')))).toEqual([])
  })
  test('a server that completes by itself leaves nothing, and a call of which only the end is told is not shown', () => {
    expect(phases(deskAfter(READY, callChanged('1', 'Ringing'), callChanged('1', 'Released', { capabilities: [] })))).toEqual([])
    expect(phases(deskAfter(READY, callChanged('1', 'Released'), callChanged('2', 'Completed')))).toEqual([])
  })
  test('a call that comes does not take the place of one that is over while its data is written', () => {
    const over = deskAfter(READY, callChanged('1', 'Established'), callChanged('1', 'Released'))
    expect(deskAfter(over, callChanged('2', 'Ringing')).selected).toBe('2')
    const writing = deskAfter(over, { kind: 'writing', call: '1' }, callChanged('2', 'Ringing'))
    expect(writing.selected).toBe('1')
    expect(deskAfter(writing, callChanged('3', 'Dialing')).selected).toBe('3')
    expect(deskAfter(writing, { kind: 'writing', call: '' }, callChanged('1', 'Completed')).selected).toBe('2')
    // Under another id it is the same call.
    expect(deskAfter(READY, callChanged('1', 'Established'), { kind: 'writing', call: '1' }, callChanged('6', 'Established', { previousConnId: '1' })).writing).toBe('6')
  })
  test('a second call does not push the first aside; one that the agent makes does', () => {
    const two = deskAfter(READY, callChanged('1', 'Established'), callChanged('2', 'Ringing'))
    expect([phases(two), two.selected]).toEqual([['1 Established', '2 Ringing'], '1'])
    expect(deskAfter(two, { kind: 'select', call: '2' }).selected).toBe('2')
    expect(deskAfter(two, { kind: 'select', call: '9' }).selected).toBe('1')
    expect(deskAfter(two, callChanged('3', 'Dialing', { callType: 'Outbound' })).selected).toBe('3')
    // A call that nobody has answered leaves nothing behind, nor does a question to a colleague.
    expect(phases(deskAfter(READY, callChanged('1', 'Ringing'), callChanged('1', 'Released'), callChanged('2', 'Dialing'), callChanged('2', 'Established', { callType: 'Consult' }), callChanged('2', 'Released', { callType: 'Consult' })))).toEqual([])
    // What rings comes before a call that is over.
    expect(deskAfter(READY, callChanged('1', 'Established'), callChanged('1', 'Released'), callChanged('2', 'Ringing')).selected).toBe('2')
  })
  test('a consultation leads back to its call, or to a transfer', () => {
    const consulting = deskAfter(READY, callChanged('1', 'Established'), callChanged('1', 'Held'), callChanged('2', 'Dialing', { callType: 'Consult', parentConnId: '1', previousConnId: '1', phoneNumber: '7102' }))
    expect([phases(consulting), consulting.selected]).toEqual([['1 Held', '2 Dialing'], '2'])
    const back = deskAfter(consulting, callChanged('2', 'Released', { callType: 'Consult', parentConnId: '1', capabilities: [] }))
    expect([phases(back), back.selected]).toEqual([['1 Held'], '1'])
    const transferred = deskAfter(consulting, callChanged('2', 'Released', { callType: 'Consult', parentConnId: '1', capabilities: [] }), callChanged('1', 'Released', { capabilities: [] }))
    expect([phases(transferred), transferred.selected]).toEqual([[], ''])
  })
  test('a call that gets another id is the same call', () => {
    const merged = deskAfter(READY, callChanged('1', 'Established'), callChanged('2', 'Ringing'), { kind: 'select', call: '1' }, callChanged('3', 'Established', { previousConnId: '1' }, 'ParticipantsUpdated'))
    expect([phases(merged), merged.selected]).toEqual([['2 Ringing', '3 Established'], '3'])
  })
  test('data that others change is there at once', () => {
    const state = deskAfter(READY, callChanged('1', 'Established'), callChanged('1', 'Established', { userData: [{ key: 'Language', type: 'str', value: 'fr' }, { key: 'Tries', type: 'int', value: 2 }] }, 'AttachedDataChanged'))
    expect(state.calls[0]?.data).toEqual([{ key: 'Language', value: 'fr', type: 'str' }, { key: 'Tries', value: '2', type: 'int' }])
  })
})

describe('what does not work', () => {
  const asked = { kind: 'asked', asked: { id: 'op-7', what: 'initiate-transfer' } } as const
  test('a failure that comes later is told with what was asked for; one of another tab is not', () => {
    expect(deskAfter(READY, asked, failed(415, 'op-7')).troubles).toMatchObject([{ what: 'initiate-transfer', why: { code: 415 } }])
    expect(deskAfter(READY, asked, failed(415, 'op-8')).troubles).toEqual([])
    // What is asked for somebody else says for whom, and is not put away by the same for another one.
    const ofBen = { kind: 'asked', asked: { id: 'op-9', what: 'logout', about: 'Ben Brandt' } } as const
    const refused = deskAfter(READY, ofBen, failed(93, 'op-9'), { kind: 'asked', asked: { id: 'op-10', what: 'logout', about: 'Cid' } })
    expect(refused.troubles).toMatchObject([{ what: 'logout', about: 'Ben Brandt', why: { code: 93 } }])
    expect(deskAfter(READY, failed(58)).troubles).toMatchObject([{ what: undefined, why: { code: 58 } }])
  })
  test('few are shown, and each can be put away', () => {
    const many = deskAfter(READY, ...Array.from({ length: 9 }, () => failed(52)))
    expect(many.troubles.map(({ number }) => number)).toEqual([6, 7, 8, 9])
    expect(deskAfter(many, { kind: 'dismiss', number: 7 }).troubles.map(({ number }) => number)).toEqual([6, 8, 9])
  })
  test('calls that cannot be controlled are said', () => {
    expect(deskAfter(READY, { messageType: 'ServiceStateChanged', serviceName: 'VOICE', serviceState: 'UNAVAILABLE' }).isVoiceThere).toBe(false)
    expect(deskAfter(READY, { messageType: 'ServiceStateChanged', serviceName: 'STATS', serviceState: 'UNAVAILABLE' }).isVoiceThere).toBe(true)
  })
})

describe('offline and back', () => {
  const lost = { kind: 'lost', at: 1 } as const
  const before = deskAfter(READY, callChanged('1', 'Established'), callChanged('2', 'Ringing'))
  const said = (state: DeskState): readonly string[] => state.missed.map((missed) => (missed.kind === 'state' ? `state ${missed.dn.state}` : `${missed.kind} ${missed.call.id}`))

  test('what is shown stays, and is right after the session was read, with what was missed', () => {
    const offline = deskAfter(before, lost, { kind: 'lost', at: 2 })
    expect([phases(offline), offline.away?.since, offline.connection.kind]).toEqual([['1 Established', '2 Ringing'], 1, 'lost'])
    const back = deskAfter(offline, { kind: 'reading' }, session({ dn: dn('NotReady', { agentWorkMode: 'AuxWork', reasons: [{ key: 'ReasonCode', type: 'str', value: 'NoAnswer' }] }), calls: [call('1', 'Held'), call('4', 'Ringing')] }))
    expect([phases(back), back.connection.kind, back.away]).toEqual([['1 Held', '4 Ringing'], 'live', undefined])
    expect(said(back)).toEqual(['rang 2', 'changed 1', 'new 4', 'state NotReady'])
    expect(deskAfter(back, { kind: 'seen' }).missed).toEqual([])
  })
  test('nothing is said where nothing has happened', () => {
    expect(said(deskAfter(before, lost, { kind: 'reading' }, session({ dn: dn('Ready'), calls: [call('1', 'Established'), call('2', 'Ringing')] })))).toEqual([])
  })
  test('a call that has come and gone meanwhile is known by what was kept for the desk', () => {
    const back = deskAfter(before, lost, callChanged('5', 'Ringing'), callChanged('5', 'Released', { capabilities: [] }), { kind: 'reading' }, session({ dn: dn('Ready'), calls: [call('1', 'Established'), call('2', 'Ringing')] }))
    expect(said(back)).toEqual(['rang 5'])
  })
  test('what is told while the session is read counts after it, for it may be newer', () => {
    const back = deskAfter(before, lost, { kind: 'reading' }, callChanged('1', 'Released', { capabilities: [] }), session({ dn: dn('Ready'), calls: [call('1', 'Established')] }))
    expect([phases(back), said(back)]).toEqual([[], ['rang 2', 'ended 1']])
  })
  test('a call that was transferred to another id meanwhile is the same call', () => {
    const back = deskAfter(before, lost, { kind: 'reading' }, session({ dn: dn('Ready'), calls: [call('6', 'Established', { previousConnId: '1' }), call('2', 'Ringing')] }))
    expect(said(back)).toEqual([])
  })
})

describe('the end', () => {
  test('a session that is over leads to the choice again, and says so', () => {
    const ended = deskAfter(READY, callChanged('1', 'Established'), { kind: 'ended' })
    expect([ended.phase, ended.calls]).toEqual([{ kind: 'beginning', from: 'lost' }, []])
    expect(deskAfter(ended, { kind: 'reading' }, session()).phase).toEqual({ kind: 'choosing', from: 'lost' })
    expect(deskAfter(ended, complete).phase).toEqual({ kind: 'choosing', from: 'lost' })
  })
  test('a channel that another tab has left is chosen again', () => {
    expect(deskAfter(READY, { kind: 'lost', at: 1 }, { kind: 'reading' }, session())).toMatchObject({ phase: { kind: 'choosing', from: 'lost' }, dn: undefined, missed: [] })
  })
  test('whoever is logged out by somebody else stays at the desk', () => {
    expect(deskAfter(READY, dnChanged('LoggedOut', { agentId: undefined }))).toMatchObject({ phase: { kind: 'working' }, dn: { state: 'LoggedOut', agent: '' } })
  })
  test('after the logout nothing is left of the work', () => {
    expect(deskAfter(READY, callChanged('1', 'Established'), { kind: 'left' })).toMatchObject({ phase: { kind: 'left' }, calls: [], dn: undefined })
  })
})
