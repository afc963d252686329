/** The trace of one call as the server tells it. Times are milliseconds since the Unix epoch. */

import type { components } from '../../api/generated/operations'

type Schemas = components['schemas']
export type Severity = Schemas['Severity']
export type CallHead = Schemas['Brief']
export type CallList = Schemas['Traces']
export type Party = Schemas['Party']
export type Message = Schemas['Message']
export type CallEvent = Schemas['Event']
/** Audio in one direction. */
export type Flow = Schemas['Stream']
export type Leg = Schemas['Leg']
export type Step = Schemas['Step']
export type Candidate = Schemas['Candidate']
export type Decision = Schemas['Decision']
export type Request = Schemas['Request']
export type Turn = Schemas['ThreadTurn']
export type Trace = Schemas['Trace']

/** From when on times are counted: the call's beginning, or the first message where none ever began. */
export function zeroOf(trace: Trace): number {
  return trace.call.beganAt ?? trace.ladder.messages[0]?.at ?? 0
}

/** How long after its end a call's last parts may still come in. */
const LATE_MS = 15_000
const POLL_MS = 2_000

/** When to ask again for a trace; never once the call is over and everything has come in. */
export function nextLook(trace: Trace, now: number): number | undefined {
  const { beganAt } = trace.call
  // A dialog that never became a call ends with its last message.
  const endedAt = beganAt === null ? (trace.ladder.messages.at(-1)?.at ?? 0) : trace.call.endedAt
  return endedAt === null || now - endedAt < LATE_MS ? POLL_MS : undefined
}

/** An event's own fields in words, without those that every line shows. */
export function fieldsOf(event: CallEvent): string {
  return Object.entries(event)
    .filter(([name, value]) => name !== 'at' && name !== 'name' && value !== null)
    .map(([name, value]) => `${name} ${plain(value)}`)
    .join(' · ')
}

function plain(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map((part) => (Array.isArray(part) ? part.map(plain).join('=') : plain(part))).join(', ')
  return JSON.stringify(value)
}

export type MosWord = 'good' | 'fair' | 'poor'

/** ITU-T G.107's bounds of user satisfaction, in three words: above 4.0 satisfied, below 3.6 many are not. */
export function mosWord(mos: number): MosWord {
  if (mos >= 4) return 'good'
  return mos >= 3.6 ? 'fair' : 'poor'
}
