/** The phone of the page, where its DN is a browser phone. One for all pages of the tab: a call goes on while another page is looked at. What does the work is loaded when it is wanted. */

import { backOffMs } from '../../live/back-off'
import { afterPhone, NO_PHONE, ringingFrom, type PhoneInput, type SoftphoneState } from './softphone-state'
import type { AudioDevice, Use } from './softphone/devices'

/** What the phone does, once it is loaded. */
export type PhoneEngine = {
  readonly answer: (call: string) => Promise<boolean>
  /** Refuses what rings, and ends what was answered. */
  readonly hangUp: (call: string) => void
  readonly mute: (isMuted: boolean) => void
  readonly devices: { readonly choose: (use: Use, device: AudioDevice) => void; readonly clean: (isCleaned: boolean) => void; readonly tryRing: () => void }
  readonly retry: () => void
  /** How loud the microphone is in a call, 0 to 1. */
  readonly level: () => number
  readonly stop: () => void
}

/** What the phone needs to know of the desk: which numbers are on hold, and how to put them there. */
export type PhoneDesk = { readonly isHeld: (number: string) => boolean; readonly hold: (number: string) => Promise<void> }

export type StartEngine = (number: string, desk: PhoneDesk, phone: { readonly state: () => SoftphoneState; readonly take: (input: PhoneInput) => void }) => PhoneEngine

export type Softphone = {
  readonly state: () => SoftphoneState
  readonly onChange: (read: () => void) => () => void
  readonly isMuted: () => boolean
  readonly mute: (isMuted: boolean) => void
  /** Becomes the phone of that DN; of one that it is already it stays it, and tries again what was refused before. */
  readonly start: (number: string, desk: PhoneDesk) => void
  /** Nobody works at the DN for now: by what it was given before it is called no more, so the next start has it ask anew. What it talks in goes on. */
  readonly doubt: () => void
  /** It cannot be had now, or is not known to be wanted: who waits for calls is to see that. A phone that is there stays. */
  readonly isMissing: (again: () => void) => void
  /** Tries again what does not work. */
  readonly retry: () => void
  readonly stop: () => void
  /** Whether a call from that number rings here. */
  readonly rings: (number: string) => boolean
  readonly answer: (number: string) => Promise<boolean>
  readonly engine: () => PhoneEngine | undefined
}

const NO_DESK: PhoneDesk = { isHeld: () => false, hold: () => Promise.resolve() }
const MISSING = { kind: 'failed', why: 'missing', said: '' } as const

export function newSoftphone(load: () => Promise<StartEngine>, later: (run: () => void, ms: number) => void = setTimeout): Softphone {
  let state = NO_PHONE
  let current = ''
  let run = 0
  let engine: PhoneEngine | undefined
  let failures = 0
  let isDoubtful = false
  let askAgain = (): void => undefined
  /** The desk of now: a page that was left and comes back has another one. */
  let desk: PhoneDesk = NO_DESK
  const readers = new Set<() => void>()
  const take = (input: PhoneInput): void => {
    const next = afterPhone(state, input)
    if (next === state) return
    state = next
    for (const read of readers) read()
  }
  const stop = (): void => {
    run += 1
    current = ''
    askAgain = () => undefined
    engine?.stop()
    engine = undefined
    take({ kind: 'phase', phase: { kind: 'off' } })
  }
  const begin = async (of: number): Promise<void> => {
    take({ kind: 'phase', phase: { kind: 'starting' } })
    try {
      const start = await load()
      if (of !== run) return
      const ofNow: PhoneDesk = { isHeld: (held) => desk.isHeld(held), hold: (held) => desk.hold(held) }
      engine = start(current, ofNow, { state: () => state, take: (input) => (of === run ? take(input) : undefined) })
    } catch {
      if (of !== run) return
      take({ kind: 'phase', phase: MISSING })
      failures += 1
      later(() => (of === run ? void begin(of) : undefined), backOffMs(failures, Math.random()))
    }
  }
  return {
    state: () => state,
    onChange: (read) => {
      readers.add(read)
      return () => readers.delete(read)
    },
    isMuted: () => state.isMuted,
    mute: (isMuted) => engine?.mute(isMuted),
    start: (number, ofDesk) => {
      desk = ofDesk
      if (number === current) {
        // The server gives no ticket while nobody works at the DN: somebody does now.
        const isRefused = state.phase.kind === 'failed' && state.phase.why === 'refused'
        if (isRefused || (isDoubtful && ['ready', 'lost'].includes(state.phase.kind))) engine?.retry()
        isDoubtful = false
        return
      }
      stop()
      current = number
      ;[failures, isDoubtful] = [0, false]
      void begin(run)
    },
    doubt: () => void (isDoubtful = true),
    isMissing: (again) => {
      if (current !== '') return
      askAgain = again
      take({ kind: 'phase', phase: MISSING })
    },
    retry: () => {
      if (engine !== undefined) engine.retry()
      else if (current !== '') {
        run += 1
        void begin(run)
      } else askAgain()
    },
    stop,
    rings: (number) => ringingFrom(state, number) !== undefined,
    answer: async (number) => {
      const call = ringingFrom(state, number)
      return call !== undefined && engine !== undefined && (await engine.answer(call.id))
    },
    engine: () => engine,
  }
}

export const softphone = newSoftphone(async () => (await import('./softphone/engine')).startOfPage)
