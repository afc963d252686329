/** Calls that were parked here a moment ago: where they wait, for as long as they do. A page that is loaded again knows them still. */

import { fieldOf, listOf, textOf, type Call, type Configuration } from '../../api/workspace-shapes'
import type { DeskState } from './desk-state'

/** The setting that has the code which is dialled before a slot. */
const CODE = 'voice.park-code'
/** Then it rings at who parked it. */
export const PARKED_MS = 120_000
/** What is taken back rings within that time; a call of its id that rings later has come by another way. */
const BACK_WITHIN_MS = 10_000
/** More are not shown. */
const SHOWN_MAX = 5
const KEPT = 'trunkline.parked'

export type Parked = { readonly call: string; readonly who: string; readonly dial: string; readonly at: number }

/** Empty where the tenant has no code for it. */
export function parkCodeOf(configuration: Configuration | undefined): string {
  return configuration?.settings[CODE] ?? ''
}

/** A slot is digits. */
export const slotOf = (typed: string): string => typed.replace(/\D/g, '')

/** Those that were kept and wait still. */
export function keptIn(text: string | null, now: number): readonly Parked[] {
  try {
    const kept: unknown = JSON.parse(text ?? '')
    const all = listOf({ kept }, 'kept').map((one) => ({ call: textOf(one, 'call'), who: textOf(one, 'who'), dial: textOf(one, 'dial'), at: Number(fieldOf(one, 'at')) }))
    return all.filter(({ call, at }) => call !== '' && at <= now && now - at < PARKED_MS).slice(-SHOWN_MAX)
  } catch {
    return []
  }
}

let parked: readonly Parked[] | undefined
const readers = new Set<() => void>()

function set(next: readonly Parked[]): void {
  parked = next
  if (next.length === 0) sessionStorage.removeItem(KEPT)
  else sessionStorage.setItem(KEPT, JSON.stringify(next))
  for (const read of readers) read()
}

function forgetLater(one: Parked): void {
  setTimeout(() => forgetPark(one), Math.max(0, one.at + PARKED_MS - Date.now()))
}

export function notePark(one: Parked): void {
  set([...parkedNow(), one].slice(-SHOWN_MAX))
  forgetLater(one)
}

export function forgetPark(one: Parked): void {
  if (parkedNow().includes(one)) set(parkedNow().filter((other) => other !== one))
}

const NONE: readonly Parked[] = []

export function parkedNow(): readonly Parked[] {
  if (parked === undefined) {
    parked = typeof sessionStorage === 'undefined' ? NONE : keptIn(sessionStorage.getItem(KEPT), Date.now())
    for (const one of parked) forgetLater(one)
  }
  return parked
}

export function onParked(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}

/** Those that wait: what is at the phone still, or again, does not. */
export function waiting(all: readonly Parked[], calls: readonly Call[]): readonly Parked[] {
  return all.filter(({ call }) => !calls.some(({ id, phase }) => id === call && phase !== 'Released' && phase !== 'Completed'))
}

/** A call that is asked back, and since when. */
export type AskedBack = { readonly call: string; readonly at: number }

/** The same while it may still ring for that: a switch refuses also after it has taken the request. */
export function stillAskedBack(asked: AskedBack | undefined, { troubles }: Pick<DeskState, 'troubles'>, now: number): AskedBack | undefined {
  const isRefused = troubles.some(({ what }) => what === 'fetch-parked')
  return asked === undefined || isRefused || now - asked.at > BACK_WITHIN_MS ? undefined : asked
}

/** Those that were never parked: the switch has refused it, and the call is at the phone still. */
export function notParked(all: readonly Parked[], { calls, troubles }: Pick<DeskState, 'calls' | 'troubles'>): readonly Parked[] {
  if (!troubles.some(({ what }) => what === 'single-step-transfer')) return []
  const waits = waiting(all, calls)
  return all.filter((one) => !waits.includes(one))
}
