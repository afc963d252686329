import { describe, expect, test, vi } from 'vitest'
import type { DeskFailure } from '../../api/workspace'
import { callsAlone, comesToBe, deskOfPhone, operatedHere, ownPhone, type Awaits } from './desk-phone'
import type { DeskState } from './desk-state'
import { call, callChanged, deskAfter, READY } from './messages-for-tests'
import { isPassing } from './phone-kinds'
import { newSoftphone, type PhoneDesk, type StartEngine } from './softphone'
import { NO_PHONE, ringingFrom, type SoftphoneState } from './softphone-state'

const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve()
}

const NO_DESK: PhoneDesk = { isHeld: () => false, hold: () => Promise.resolve() }

describe('the desk and the phone', () => {
  const ringing = deskAfter(READY, callChanged('1', 'Established'), callChanged('2', 'Ringing', { phoneNumber: '+331' }))
  const operated: string[] = []
  const operate = (id: string, operation: string) => Promise.resolve(void operated.push(`${operation} ${id}`)).then(() => ({ kind: 'ok', value: undefined }) as const)
  test('an answer is given here where it rings here, after the other call was put on hold', async () => {
    let now = ringing.calls
    let held: ((is: boolean) => void) | undefined
    let isHeld: (() => boolean) | undefined
    const comesTo: Awaits = (is) => {
      isHeld = is
      return new Promise((resolve) => (held = resolve))
    }
    const here = operatedHere({ comesToRing: () => Promise.resolve(true), answer: (number) => Promise.resolve(operated.push(`here ${number}`) > 0) }, () => now, operate, comesTo)
    const answering = here('2', 'answer', { operationId: 'x', data: {} })
    await settled()
    // That it is accepted is not enough: both would hear each other until it is done.
    expect([operated.splice(0), isHeld?.()]).toEqual([['hold 1'], false])
    now = deskAfter(ringing, callChanged('1', 'Held')).calls
    expect(isHeld?.()).toBe(true)
    held?.(true)
    expect(await answering).toEqual({ kind: 'ok', value: undefined })
    expect(operated.splice(0)).toEqual(['here +331'])
    now = ringing.calls
    const late = here('2', 'answer', { operationId: 'x', data: {} })
    await settled()
    held?.(false)
    expect([await late, operated.splice(0)]).toMatchObject([{ failure: { kind: 'refused', status: 491 } }, ['hold 1']])
    await here('1', 'hold', { operationId: 'y', data: {} })
    expect(operated.splice(0)).toEqual(['hold 1'])
  })
  test('nobody is answered while the other call is not put on hold', async () => {
    const answered: string[] = []
    const phone = { comesToRing: () => Promise.resolve(true), answer: (number: string) => Promise.resolve(answered.push(number) > 0) }
    const failing = (failure: DeskFailure) => operatedHere(phone, () => ringing.calls, () => Promise.resolve({ kind: 'failed', failure } as const), () => Promise.resolve(true))
    expect(await failing({ kind: 'refused', status: 409, why: 'the call is Held' })('2', 'answer', { operationId: 'x', data: {} })).toEqual({ kind: 'failed', failure: { kind: 'refused', status: 491, why: 'the call is Held' } })
    expect(await failing({ kind: 'no-session' })('2', 'answer', { operationId: 'x', data: {} })).toEqual({ kind: 'failed', failure: { kind: 'no-session' } })
    expect(answered).toEqual([])
  })
  test('what is waited for comes with a change, or not in time', async () => {
    vi.useFakeTimers()
    let [is, changed] = [false, (): void => undefined]
    const comesTo = comesToBe((read) => {
      changed = read
      return () => (changed = () => undefined)
    })
    const comes = comesTo(() => is)
    changed()
    is = true
    changed()
    expect([await comes, await comesTo(() => true)]).toEqual([true, true])
    const late = comesTo(() => false)
    vi.advanceTimersByTime(5_000)
    expect(await late).toBe(false)
    vi.useRealTimers()
  })
  test('the phone of the page may ring a moment after the desk was told; another phone is not waited for', async () => {
    vi.useFakeTimers()
    let [state, read] = [{ ...NO_PHONE, phase: { kind: 'ready' } } as SoftphoneState, (): void => undefined]
    const phone = ownPhone({ state: () => state, onChange: (told) => ((read = told), () => undefined), rings: (number) => ringingFrom(state, number) !== undefined, answer: () => Promise.resolve(true) })
    const rings = phone.comesToRing('+331')
    state = { ...state, calls: [{ id: 'a', number: '+331', phase: 'ringing' }] }
    read()
    expect(await rings).toBe(true)
    state = { ...state, calls: [] }
    const elsewhere = phone.comesToRing('+331')
    vi.advanceTimersByTime(1_000)
    expect(await elsewhere).toBe(false)
    state = NO_PHONE
    expect(await phone.comesToRing('+331')).toBe(false)
    vi.useRealTimers()
  })
  test('a phone on the desk is asked to answer; a browser without a microphone says so', async () => {
    const desk = operatedHere({ comesToRing: () => Promise.resolve(false), answer: () => Promise.resolve(false) }, () => ringing.calls, operate, () => Promise.resolve(true))
    await desk('2', 'answer', { operationId: 'x', data: {} })
    expect(operated.splice(0)).toEqual(['answer 2'])
    const mute = operatedHere({ comesToRing: () => Promise.resolve(true), answer: () => Promise.resolve(false) }, () => ringing.calls, operate, () => Promise.resolve(true))
    expect(await mute('2', 'answer', { operationId: 'x', data: {} })).toMatchObject({ failure: { status: 488 } })
  })
  test('the phone knows what is on hold, by the number or as the only call', () => {
    const of = (...calls: readonly (readonly [string, string])[]) => deskOfPhone(() => deskAfter(READY, ...calls.map(([id, phase]) => ({ messageType: 'CallStateChanged', notificationType: 'StateChange', call: call(id, phase) }))), () => Promise.resolve(true))
    expect([of(['1', 'Held']).isHeld('+4930123456'), of(['1', 'Held']).isHeld('4930123456'), of(['1', 'Established']).isHeld('+4930123456')]).toEqual([true, true, false])
  })
  test('calls that the desk does not show have the phone alone', () => {
    const calls = [{ id: 'a', number: '+4930123456', phase: 'talking' }, { id: 'b', number: '331', phase: 'ringing' }] as const
    const of = (state: DeskState): readonly string[] => callsAlone(calls, state).map(({ id }) => id)
    expect(of(ringing)).toEqual([])
    expect(of(deskAfter(READY, callChanged('1', 'Established')))).toEqual(['b'])
    expect(of(deskAfter(READY, callChanged('1', 'Established'), callChanged('1', 'Released'), callChanged('2', 'Ringing', { phoneNumber: '+331' })))).toEqual(['a', 'b'])
    expect([of(deskAfter(ringing, { kind: 'lost', at: 1 })), of(deskAfter(ringing, { kind: 'ended' }))]).toEqual([['a', 'b'], ['a', 'b']])
  })
  test('a call is found by its number, or as the only one that rings', () => {
    const two = { ...NO_PHONE, calls: [{ id: 'a', number: '1', phase: 'ringing' }, { id: 'b', number: '2', phase: 'ringing' }] } as const
    expect([ringingFrom(two, '2')?.id, ringingFrom(two, '3')?.id, ringingFrom({ ...two, calls: [two.calls[0]] }, '3')?.id]).toEqual(['b', undefined, 'a'])
  })
  test('what cannot be loaded is said, and tried again by itself and by hand', async () => {
    let loads = 0
    const later: (() => void)[] = []
    const phone = newSoftphone(() => Promise.reject(new Error(String((loads += 1)))), (run) => later.push(run))
    phone.start('7101', NO_DESK)
    expect(phone.state().phase.kind).toBe('starting')
    await settled()
    expect([phone.state().phase, loads]).toEqual([{ kind: 'failed', why: 'missing', said: '' }, 1])
    later.shift()?.()
    await settled()
    phone.retry()
    await settled()
    expect([phone.state().phase.kind, loads]).toEqual(['failed', 3])
    // What was put off before the press is not done besides.
    later.shift()?.()
    await settled()
    expect(loads).toBe(3)
  })
  test('who works at the DN again has the phone tried again that was refused, with the desk of now', async () => {
    const did: string[] = []
    let phoneDesk: PhoneDesk | undefined
    const engine: StartEngine = (_, of, own) => {
      phoneDesk = of
      own.take({ kind: 'phase', phase: { kind: 'failed', why: 'refused', said: 'no channel' } })
      const nothing = (): void => undefined
      return { answer: () => Promise.resolve(true), hangUp: nothing, mute: nothing, devices: { choose: nothing, clean: nothing, tryRing: nothing }, retry: () => void did.push('retry'), level: () => 0, stop: () => void did.push('stop') }
    }
    const phone = newSoftphone(() => Promise.resolve(engine))
    phone.start('7101', NO_DESK)
    await settled()
    phone.start('7101', { ...NO_DESK, isHeld: () => true })
    expect([did, phoneDesk?.isHeld('1')]).toEqual([['retry'], true])
  })
  test('who works at the DN again after a session that was over has the phone ask anew, once', async () => {
    const did: string[] = []
    const nothing = (): void => undefined
    const engine: StartEngine = (_, __, own) => {
      own.take({ kind: 'phase', phase: { kind: 'ready' } })
      return { answer: () => Promise.resolve(true), hangUp: nothing, mute: nothing, devices: { choose: nothing, clean: nothing, tryRing: nothing }, retry: () => void did.push('retry'), level: () => 0, stop: nothing }
    }
    const phone = newSoftphone(() => Promise.resolve(engine))
    phone.doubt()
    phone.start('7101', NO_DESK)
    await settled()
    phone.start('7101', NO_DESK)
    expect(did).toEqual([])
    phone.doubt()
    for (let times = 0; times < 2; times += 1) phone.start('7101', NO_DESK)
    expect(did).toEqual(['retry'])
  })
  test('a server that does not answer now says nothing of the phone; one without such phones does', () => {
    const refused = (status: number) => isPassing({ kind: 'refused', status, why: '' })
    expect([isPassing({ kind: 'unreachable' }), refused(503), refused(429), refused(501), refused(409), refused(403)]).toEqual([true, true, true, false, false, false])
  })
})
