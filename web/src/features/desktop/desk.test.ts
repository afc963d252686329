import { describe, expect, test } from 'vitest'
import type { DeskAnswer } from '../../api/workspace'
import type { SessionShown } from '../../api/workspace-shapes'
import { AT_WORK, failed, NO_SESSION, OK, settled, shown, world } from './desk-for-tests'
import { call, callChanged, dn } from './messages-for-tests'

const LISTEN = 'listen /workspace/v3/initialization /workspace/v3/voice /workspace/v3/reporting'

describe('a desk', () => {
  test('begins a session, or goes on with the one that there is, listens, and reads it once it is heard', async () => {
    const { desk, did, tell } = world(NO_SESSION)
    await settled()
    expect(did).toEqual(['begin', LISTEN])
    const { desk: again, did: didAgain, tell: tellAgain } = world(AT_WORK)
    await settled()
    await tellAgain({ kind: 'connected' })
    expect([didAgain, again.state().phase.kind]).toEqual([['begin', LISTEN, 'read'], 'working'])
    await tell({ kind: 'message', data: { messageType: 'WorkspaceInitializationComplete', state: 'Complete', data: { user: { agentLogin: '1' }, configuration: {} } } })
    expect(desk.state().phase.kind).toBe('choosing')
  })
  test('completes calls with which there is nothing left to do', async () => {
    const { did, tell } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    for (const data of [callChanged('1', 'Ringing'), callChanged('1', 'Released'), callChanged('2', 'Established'), callChanged('2', 'Released')]) await tell({ kind: 'message', data })
    expect(did.filter((what) => what.startsWith('complete'))).toEqual(['complete 1 {}'])
  })
  test('does not complete a call that is told once more to a page that is loaded again: its after-call work may be under way', async () => {
    const { desk, did, tell, answers } = world(shown({ dn: dn('NotReady', { agentWorkMode: 'AfterCallWork' }), calls: [call('1', 'Released')] }))
    await settled()
    await tell({ kind: 'message', data: callChanged('1', 'Released', {}, 'CallRecovered') })
    await tell({ kind: 'connected' })
    await tell({ kind: 'message', data: callChanged('1', 'Released') })
    await tell({ kind: 'message', data: callChanged('9', 'Released') })
    // The same after a loss, in which another tab may have answered what rang here.
    await tell({ kind: 'message', data: callChanged('2', 'Ringing') })
    await tell({ kind: 'lost' })
    await tell({ kind: 'message', data: callChanged('2', 'Released') })
    answers.session = shown({ dn: dn('NotReady'), calls: [call('1', 'Released'), call('2', 'Released')] })
    await tell({ kind: 'connected' })
    expect(did.filter((what) => what.startsWith('complete'))).toEqual([])
    expect(desk.state().calls.map(({ id }) => id)).toEqual(['1', '2'])
  })
  test('reads the session anew after each loss, and applies what is told meanwhile', async () => {
    const { desk, did, tell, answers } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    await tell({ kind: 'lost' })
    expect(desk.state().connection.kind).toBe('lost')
    answers.session = shown({ dn: dn('Ready'), calls: [call('1', 'Ringing')] })
    await tell({ kind: 'connected' })
    expect([did.at(-1), desk.state().calls.map(({ id }) => id), desk.state().missed.length]).toEqual(['read', ['1'], 1])
    await tell({ kind: 'message', data: callChanged('1', 'Established') })
    expect(desk.state().calls[0]?.phase).toBe('Established')
  })
  test('what has come while the computer slept is read anew, and said to have been missed', async () => {
    const { desk, did, tell, answers } = world(shown({ dn: dn('Ready'), calls: [call('1', 'Established')] }))
    await settled()
    await tell({ kind: 'connected' })
    answers.hasSlept = true
    await tell({ kind: 'message', data: callChanged('1', 'Released') })
    expect([did.at(-1), desk.state().calls[0]?.phase]).toEqual(['doubt', 'Established'])
    answers.hasSlept = false
    answers.session = shown({ dn: dn('NotReady', { agentWorkMode: 'AfterCallWork' }), calls: [call('1', 'Released')] })
    await tell({ kind: 'lost' })
    await tell({ kind: 'connected' })
    expect(desk.state().missed.map(({ kind }) => kind)).toEqual(['ended', 'state'])
  })
  test('a tab in whose place others listen says so, and hears again when somebody wants it', async () => {
    const { desk, did, tell } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    await tell({ kind: 'lost', isReplaced: true })
    expect(desk.state().connection).toEqual({ kind: 'lost', isReplaced: true })
    desk.retry()
    await tell({ kind: 'connected' })
    expect([did.slice(-2), desk.state().connection.kind]).toEqual([['retry', 'read'], 'live'])
  })
  test('begins anew where the session is over, by a poll, by an operation, by reading', async () => {
    for (const end of ['poll', 'operation', 'reading']) {
      const { desk, did, tell, answers } = world(AT_WORK)
      await settled()
      await tell({ kind: 'connected' })
      answers.session = NO_SESSION
      did.length = 0
      if (end === 'poll') await tell({ kind: 'no-session' })
      if (end === 'reading') await tell({ kind: 'connected' })
      if (end === 'operation') {
        answers.any = NO_SESSION
        await desk.ask('ready')
        await settled()
      }
      expect(did.filter((what) => ['begin', 'close', LISTEN].includes(what)), end).toEqual(['close', 'begin', LISTEN])
      expect(desk.state().phase, end).toEqual({ kind: 'beginning', from: 'lost' })
    }
  })
  test('a server that ends each session at once is asked with pauses', async () => {
    const { did, tell, later } = world(NO_SESSION)
    await settled()
    await tell({ kind: 'connected' })
    expect(did.filter((what) => what === 'begin').length).toBe(2)
    await tell({ kind: 'connected' })
    expect([did.filter((what) => what === 'begin').length, later.length]).toEqual([2, 1])
    later[0]?.()
    await settled()
    expect(did.filter((what) => what === 'begin').length).toBe(3)
  })
  test('an initialisation that has failed is shown, and tried again by itself', async () => {
    const begun = shown()
    if (begun.kind !== 'ok') throw new Error('no session')
    for (const way of ['read', 'told']) {
      const { desk, did, tell, later, answers } = world({ kind: 'ok', value: { ...begun.value, beginning: way === 'read' ? 'Failed' : 'Executing' } })
      await settled()
      await tell({ kind: 'connected' })
      if (way === 'told') await tell({ kind: 'message', data: { messageType: 'WorkspaceInitializationComplete', state: 'Failed', errors: [{ key: 'message', type: 'str', value: 'away' }] } })
      expect([desk.state().phase.kind, did.at(-1)], way).toEqual(['not-begun', 'close'])
      for (const run of later.splice(0)) run()
      await settled()
      expect(did.slice(-2), way).toEqual(['begin', LISTEN])
      answers.session = AT_WORK
      await tell({ kind: 'connected' })
      expect(desk.state().phase.kind, way).toBe('working')
    }
  })
  test('a begin that is put off, as by a limit that an office shares, is tried again by itself; a refusal is not', async () => {
    for (const [status, tries] of [[429, 1], [503, 1], [403, 0]] as const) {
      const { did, later, answers } = world(NO_SESSION, failed({ kind: 'refused', status, why: '' }))
      await settled()
      expect(later.length, `${status}`).toBe(tries)
      answers.begin = OK
      for (const run of later.splice(0)) run()
      await settled()
      expect(did.filter((what) => what === 'begin').length, `${status}`).toBe(1 + tries)
    }
  })
  test('says that nobody has signed in, and goes on when somebody has', async () => {
    const { desk, did, answers } = world(NO_SESSION, failed({ kind: 'signed-out' }))
    await settled()
    expect([desk.state().phase, did.at(-1)]).toEqual([{ kind: 'not-begun', why: { kind: 'signed-out' } }, 'signed out'])
    answers.begin = OK
    desk.retry()
    await settled()
    expect(did.at(-1)).toBe(LISTEN)
  })
  test('shows and does nothing of a session of somebody else who has signed in in this browser', async () => {
    const read = shown({ dn: dn('Ready'), calls: [call('1', 'Ringing')] })
    if (read.kind !== 'ok') throw new Error('no session')
    const bobs: DeskAnswer<SessionShown> = { kind: 'ok', value: { ...read.value, user: { ...read.value.user, userName: 'bob' } } }
    for (const answer of [bobs, failed({ kind: 'signed-out' })]) {
      const { desk, did, tell, answers, later } = world(AT_WORK)
      await settled()
      await tell({ kind: 'connected' })
      await tell({ kind: 'lost' })
      answers.session = answer
      answers.begin = failed({ kind: 'signed-out' })
      await tell({ kind: 'connected' })
      expect([desk.state().phase, desk.state().calls, did.slice(-3), later.length]).toEqual([{ kind: 'not-begun', why: { kind: 'signed-out' } }, [], ['close', 'begin', 'signed out'], 0])
    }
    const { desk, did, tell, answers } = world(NO_SESSION)
    await settled()
    answers.begin = failed({ kind: 'signed-out' })
    await tell({ kind: 'message', data: { messageType: 'WorkspaceInitializationComplete', state: 'Complete', data: { user: { userName: 'bob', agentLogin: '1' }, configuration: {} } } })
    expect([desk.state().phase.kind, did.at(-1)]).toEqual(['not-begun', 'signed out'])
  })
  test('tells what is refused, by the operation', async () => {
    const { desk, answers, did, tell } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    answers.any = failed({ kind: 'refused', status: 409, why: 'the call is Held' })
    expect(await desk.ask('hold', '1')).toBe(false)
    expect(desk.state().troubles).toMatchObject([{ what: 'hold', why: { kind: 'refused', status: 409 } }])
    answers.any = failed({ kind: 'unreachable' })
    expect([await desk.ask('hold', '1'), did.at(-1)]).toEqual([false, 'doubt'])
    answers.any = OK
    expect([await desk.ask('hold', '1'), desk.state().troubles]).toEqual([true, []])
  })
  test('a double press asks once, but for what means more twice', async () => {
    const { desk, did, tell, later } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    const call = (destination: string): Promise<boolean> => desk.ask('make-call', '', { destination })
    expect(await Promise.all([call('7102'), call('7102'), call('7103')])).toEqual([true, true, true])
    await call('7102')
    expect(did.filter((what) => what === 'make-call').length).toBe(2)
    for (const run of later.splice(0)) run()
    await call('7102')
    expect(did.filter((what) => what === 'make-call').length).toBe(3)
    const slow = call('7104')
    for (const run of later.splice(0)) run()
    await slow
    await call('7104')
    expect(did.filter((what) => what === 'make-call').length, 'what is asked later is meant, however long the answer took').toBe(5)
    await Promise.all(['5', '5'].map((dtmfDigits) => desk.ask('send-dtmf', '1', { dtmfDigits })))
    expect(did.filter((what) => what.startsWith('send-dtmf')).length).toBe(2)
  })
  test('after the logout nothing is heard any more, and work can begin again', async () => {
    const { desk, did, tell } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    await desk.leave()
    await tell({ kind: 'message', data: callChanged('1', 'Ringing') })
    expect([desk.state().phase.kind, desk.state().calls, did.slice(-2)]).toEqual(['left', [], ['close', 'end']])
    desk.retry()
    await settled()
    expect([desk.state().phase.kind, did.at(-1)]).toEqual(['beginning', LISTEN])
  })
  test('a logout that does not work leaves the work as it was', async () => {
    const { desk, did, tell, answers } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    answers.any = failed({ kind: 'unreachable' })
    await desk.leave()
    expect([desk.state().phase.kind, desk.state().troubles[0]?.what, did.at(-1)]).toEqual(['working', 'logout', LISTEN])
    await tell({ kind: 'message', data: callChanged('1', 'Ringing') })
    expect(desk.state().calls.length).toBe(1)
  })
  test('asks with the id by which a later failure is known', async () => {
    const { desk, did, tell } = world(AT_WORK)
    await settled()
    await tell({ kind: 'connected' })
    await desk.ask('send-dtmf', '1', { dtmfDigits: '5' })
    expect(did.at(-1)).toBe('send-dtmf 1 {"dtmfDigits":"5"}')
    const [asked] = desk.state().asked
    await tell({ kind: 'message', data: { messageType: 'EventError', error: { errorCode: 302, errorMessage: 'Invalid DTMF' }, operationId: asked?.id } })
    expect(desk.state().troubles).toMatchObject([{ what: 'send-dtmf', why: { code: 302 } }])
  })
})
