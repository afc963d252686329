/** The page as a phone: what it shows of itself. Nothing is asked for here. */

import { NO_DEVICES, type AudioDevices } from './softphone/devices'
import type { CallQuality } from './softphone/call-quality'

export type PhonePhase =
  /** The DN is a phone of its own. */
  | { readonly kind: 'off' }
  /** Another tab of this browser is the phone. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'lost' }
  /** `said` is what the server says of a refusal. */
  | { readonly kind: 'failed'; readonly why: PhoneFault; readonly said: string }

/** A page that is no secure one gets no microphone; the person may not want to give it, none may be there; the server may refuse; and what makes a phone of the page may not be had. */
export type PhoneFault = 'missing' | 'insecure' | 'denied' | 'no-microphone' | 'refused'

export type PhoneCall = {
  readonly id: string
  /** Empty where it is not told. */
  readonly number: string
  readonly phase: 'ringing' | 'answering' | 'talking'
}

export type SoftphoneState = {
  readonly phase: PhonePhase
  readonly calls: readonly PhoneCall[]
  readonly isMuted: boolean
  readonly devices: AudioDevices
  /** Of the call that is heard; undefined until something is known of it. */
  readonly quality: CallQuality | undefined
}

export type PhoneInput =
  | { readonly kind: 'phase'; readonly phase: PhonePhase }
  | { readonly kind: 'call'; readonly call: PhoneCall }
  | { readonly kind: 'over'; readonly call: string }
  | { readonly kind: 'muted'; readonly isMuted: boolean }
  | { readonly kind: 'devices'; readonly devices: AudioDevices }
  | { readonly kind: 'quality'; readonly quality: CallQuality | undefined }

export const NO_PHONE: SoftphoneState = { phase: { kind: 'off' }, calls: [], isMuted: false, devices: NO_DEVICES, quality: undefined }

export const isTalking = ({ calls }: SoftphoneState): boolean => calls.some(({ phase }) => phase === 'talking')

/** The phone after an input. */
export function afterPhone(state: SoftphoneState, input: PhoneInput): SoftphoneState {
  switch (input.kind) {
    case 'phase':
      return input.phase.kind === 'off' || input.phase.kind === 'elsewhere' ? { ...NO_PHONE, devices: state.devices, phase: input.phase } : { ...state, phase: input.phase }
    case 'call': {
      const isKnown = state.calls.some(({ id }) => id === input.call.id)
      return { ...state, calls: isKnown ? state.calls.map((one) => (one.id === input.call.id ? input.call : one)) : [...state.calls, input.call] }
    }
    case 'over': {
      const next = { ...state, calls: state.calls.filter(({ id }) => id !== input.call) }
      // Whoever has muted a call has not muted the next one.
      return isTalking(next) ? next : { ...next, isMuted: false, quality: undefined }
    }
    case 'muted':
      return isTalking(state) ? { ...state, isMuted: input.isMuted } : state
    case 'devices':
      return { ...state, devices: input.devices }
    case 'quality':
      return { ...state, quality: input.quality }
  }
}

/** The call that an answer is about: the one from that number, or the only one that rings. */
export function ringingFrom(state: SoftphoneState, number: string): PhoneCall | undefined {
  const ringing = state.calls.filter(({ phase }) => phase === 'ringing')
  return ringing.find((call) => call.number === number) ?? (ringing.length === 1 ? ringing[0] : undefined)
}
