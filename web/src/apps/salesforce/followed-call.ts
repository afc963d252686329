/** One call as the softphone follows it, from the first time that it is seen to its log in the org. */

import type { DeskCall } from './desk-messages'
import type { Words } from './words'

/** The published name of the setting that names the key of the result, and what it is without one. */
const RESULT_KEY = 'interaction.disposition.key-name'
const RESULT = 'DispositionCode'
const SUBJECTS = { Inbound: 'inbound', Outbound: 'outbound', Internal: 'internal' } as const
/** The longest text of a field of a task. */
const TEXT_MAX = 255

export type FollowedCall = {
  /** Its id when it was seen first: it stays the same after a transfer. */
  readonly first: string
  /** As it was shown last. */
  readonly call: DeskCall
  /** When it was answered, and when it has ended, in milliseconds since 1970. They are as far apart as it was talked to. */
  readonly answeredAt: number | undefined
  readonly endedAt: number | undefined
  /** The record of the org that it is about; empty while that is not known. */
  readonly record: string
  /** What a search for it has found. */
  readonly found: readonly string[]
  readonly log: CallLog
  /** Whether the desktop has it no more. */
  readonly isGone: boolean
}

export type CallLog = {
  readonly state: 'none' | 'saving' | 'saved' | 'failed'
  /** Of the task; empty while there is none. */
  readonly id: string
  /** What was saved last. */
  readonly told: string
}

export const newCall = (call: DeskCall, record: string): FollowedCall => ({ first: call.id, call, answeredAt: undefined, endedAt: undefined, record, found: [], log: { state: 'none', id: '', told: '' }, isGone: false })

/** The same once it is shown so. Where one that was over is talked to again, as after it was parked, the time between counts for none. */
export function seen(before: FollowedCall, call: DeskCall, at: number): FollowedCall {
  if (!['Established', 'Held'].includes(call.state)) return { ...before, call, endedAt: before.endedAt ?? (isOver(call) ? at : undefined) }
  const { answeredAt, endedAt } = before
  return { ...before, call, answeredAt: answeredAt === undefined ? at : answeredAt + (endedAt === undefined ? 0 : at - endedAt), endedAt: undefined }
}

export const isOver = ({ state }: DeskCall): boolean => state === 'Released' || state === 'Completed'

/** Calls that nobody answered here are not the agent's, and consultations are about another call. */
export function isLogged({ call, answeredAt }: FollowedCall): boolean {
  return call.type !== 'Consult' && (answeredAt !== undefined || call.type === 'Outbound')
}

/** The task that tells of it, with its subject in the agent's language. */
export function taskOf(followed: FollowedCall, settings: Readonly<Record<string, string>>, words: Words, at: number): Readonly<Record<string, unknown>> {
  const { call, answeredAt, endedAt, record } = followed
  const end = endedAt ?? at
  const direction = call.type === 'Inbound' || call.type === 'Outbound' ? call.type : 'Internal'
  const disposition = call.data[settings[RESULT_KEY] || RESULT] ?? ''
  return {
    Subject: cut(words[SUBJECTS[direction]].replace('{number}', () => call.number || words['no-number'])),
    Status: 'Completed',
    ActivityDate: dayOf(end),
    CallType: direction,
    CallDurationInSeconds: answeredAt === undefined ? 0 : Math.max(0, Math.round((end - answeredAt) / 1_000)),
    CallObject: cut(call.uuid || call.id),
    ...(disposition === '' ? {} : { CallDisposition: cut(disposition) }),
    ...(record === '' ? {} : { [isPerson(record) ? 'WhoId' : 'WhatId']: record }),
  }
}

/** Whether the log does not say what is known now, or is not there. */
export function changedLog(followed: FollowedCall, settings: Readonly<Record<string, string>>, words: Words, at: number): boolean {
  return followed.log.told !== JSON.stringify(taskOf(followed, settings, words, at)) || followed.log.state === 'failed'
}

/** Contacts and leads, by what their ids begin with, are whom a task is about; all others what it is about. */
const isPerson = (record: string): boolean => record.startsWith('003') || record.startsWith('00Q')

const cut = (text: string): string => text.slice(0, TEXT_MAX)

/** The day of the browser's time zone, as `2031-05-09`. */
function dayOf(at: number): string {
  const day = new Date(at)
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, '0')).join('-')
}
