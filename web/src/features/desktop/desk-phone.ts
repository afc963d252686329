/** Between the desk and the page's own phone: which calls are the same, and what the phone does of what the desk is asked for. */

import type { DeskAnswer, OperationBody } from '../../api/workspace'
import type { Call } from '../../api/workspace-shapes'
import type { DeskState } from './desk-state'
import { isOver } from './missed'
import type { PhoneDesk, Softphone } from './softphone'
import type { PhoneCall } from './softphone-state'

type OperateCall = (call: string, operation: string, body: OperationBody) => Promise<DeskAnswer<unknown>>

/** The call with that number in one of these phases, or the only one there. */
function callFrom(calls: readonly Call[], number: string, ...phases: readonly Call['phase'][]): Call | undefined {
  const found = calls.filter(({ phase }) => phases.includes(phase))
  return found.find((call) => call.number === number) ?? (found.length === 1 ? found[0] : undefined)
}

/** What the phone may ask of the desk. */
export function deskOfPhone(state: () => DeskState, ask: (what: 'hold', call: string) => Promise<boolean>): PhoneDesk {
  const call = (number: string, ...phases: readonly Call['phase'][]): Call | undefined => callFrom(state().calls, number, ...phases)
  return {
    isHeld: (number) => state().calls.some((one) => one.phase === 'Held' && one.number === number) || (call(number, 'Established') === undefined && call(number, 'Held') !== undefined),
    hold: async (number) => {
      // The switch may have said already that it was taken back.
      const found = call(number, 'Established', 'Held')
      if (found !== undefined) await ask('hold', found.id)
    },
  }
}

/** Calls of the phone with which the desk does not help: it is not at work, hears nothing, or was not told of them. A number may be written in another way there, so that the rest is told apart by how many there are. */
export function callsAlone(calls: readonly PhoneCall[], { phase, away, calls: ofDesk }: Pick<DeskState, 'phase' | 'away' | 'calls'>): readonly PhoneCall[] {
  if (phase.kind !== 'working' || away !== undefined) return calls
  const living = ofDesk.filter((call) => !isOver(call))
  const unknown = calls.filter(({ number }) => living.every((call) => call.number !== number))
  const others = living.filter(({ number }) => calls.every((call) => call.number !== number))
  return unknown.length > others.length ? unknown : []
}

/** Whether something has come to be so before it is too late. */
export type Awaits = (is: () => boolean) => Promise<boolean>

/** The phone of this page, as who operates calls needs it. */
export type OwnPhone = Pick<Softphone, 'answer'> & { readonly comesToRing: (number: string) => Promise<boolean> }

/** Answers where it rings: here, if it rings here. What was talked to before is put on hold, as every phone does, and is so before: what is accepted is not done yet. */
export function operatedHere(phone: OwnPhone, calls: () => readonly Call[], operate: OperateCall, comesTo: Awaits): OperateCall {
  return async (id, operation, body) => {
    const call = calls().find((one) => one.id === id)
    if (operation !== 'answer' || call === undefined || !(await phone.comesToRing(call.number))) return operate(id, operation, body)
    const before = calls().filter(({ id: other, phase }) => other !== id && phase === 'Established')
    for (const other of before) {
      const held = await operate(other.id, 'hold', { operationId: `${body.operationId}-hold`, data: {} })
      // Two callers would hear each other's talk.
      if (held.kind === 'failed') return { kind: 'failed', failure: held.failure.kind === 'refused' ? { ...held.failure, status: NOT_HELD } : held.failure }
      if (!(await comesTo(() => !calls().some(({ id: one, phase }) => one === other.id && phase === 'Established')))) return { kind: 'failed', failure: { kind: 'refused', status: NOT_HELD, why: '' } }
    }
    if (await phone.answer(call.number)) return { kind: 'ok', value: undefined }
    return { kind: 'failed', failure: { kind: 'refused', status: NO_AUDIO, why: '' } }
  }
}

/** The other call is not on hold: another request is in the way (RFC 3261 section 21.4.27). */
export const NOT_HELD = 491
/** The switch does what it has accepted within that time, or it is not waited for. */
const DONE_MS = 5_000
/** The switch may tell that a call rings before the page's phone has it. Who answers here means this phone, and not that on another machine. */
const RINGS_WITHIN_MS = 1_000

/** The page's phone, of which is known soon whether it rings. */
export const ownPhone = (phone: Pick<Softphone, 'state' | 'onChange' | 'rings' | 'answer'>): OwnPhone => ({
  answer: phone.answer,
  comesToRing: (number) => (phone.state().phase.kind === 'ready' ? comesToBe(phone.onChange, RINGS_WITHIN_MS)(() => phone.rings(number)) : Promise.resolve(phone.rings(number))),
})

/** Looks at each change. */
export const comesToBe =
  (onChange: (read: () => void) => () => void, withinMs = DONE_MS): Awaits =>
  (is) =>
    new Promise((resolve) => {
      if (is()) return resolve(true)
      const end = (has: boolean): void => {
        clearTimeout(timer)
        unread()
        resolve(has)
      }
      const timer = setTimeout(() => end(false), withinMs)
      const unread = onChange(() => (is() ? end(true) : undefined))
    })

/** As SIP has it where no audio can be agreed on (RFC 3261 section 21.4.26). */
export const NO_AUDIO = 488
