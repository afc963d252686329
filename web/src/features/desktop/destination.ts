/** Where a call goes: a number that is typed, or somebody who is found by name. */

import type { Target } from '../../api/workspace-targets'

/** What is dialled of what people write: +49 (30) 1234-5. */
export function dialled(typed: string): string {
  return typed.replace(/[\s().\/-]/g, '')
}

/** Whether it is a number as it stands, and no name. */
export function isNumber(typed: string): boolean {
  return /^\+?[\d*#]+$/.test(dialled(typed))
}

/** Shorter names, and whole numbers of outside, are not looked for. */
const NAME_MIN = 2
const NUMBER_MAX = 6

/** What is looked for while that is typed; empty for nothing. */
export function termOf(typed: string): string {
  const term = isNumber(typed) ? dialled(typed) : typed.trim().replaceAll(',', ' ')
  return term.length < NAME_MIN || (isNumber(term) && term.length > NUMBER_MAX) ? '' : term
}

/** By it somebody who is found is known again in the next list. */
export const keyOf = ({ type, id }: Pick<Target, 'type' | 'id'>): string => `${type} ${id}`

/** The place of the one with that key in the list of now: the lists come anew every few seconds, and whoever stands there next is not meant. -1 where it is gone, or for none. */
export function placeOf(key: string, found: readonly Target[]): number {
  return found.findIndex((one) => keyOf(one) === key)
}

export type Looked = {
  readonly typed: string
  /** Whom a press has chosen. */
  readonly chosen: Target | undefined
  readonly found: readonly Target[]
  /** Which of them is marked; -1 for none. */
  readonly marked: number
  /** Whether the one that was marked is in the list no more. */
  readonly isGone: boolean
  /** Whether an answer for what is typed is still to come. */
  readonly isLooking: boolean
}

/** The number that is meant; empty where that is not known yet. */
export function meant({ typed, chosen, found, marked, isGone, isLooking }: Looked): string {
  if (chosen !== undefined) return chosen.number
  const one = found[marked]
  if (one !== undefined) return one.number
  return (isLooking || isGone) && !isNumber(typed) ? '' : dialled(typed)
}

/** The one that is marked without a key: of names the first, for a number is meant as it stands. */
export function firstMarked(typed: string, found: readonly Target[]): number {
  return isNumber(typed) || found.length === 0 ? -1 : 0
}

/** The next one up or down, by way of none. */
export function moved(marked: number, step: 1 | -1, many: number): number {
  const places = many + 1
  return ((((marked + 1 + step) % places) + places) % places) - 1
}
