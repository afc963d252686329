/** Objects that apply one after the other, by the number in their field `place`. */

import type { Edit, Stored } from '../../api/agent-setup'
import { at, withAt } from './document'
import { update } from './edits'

const placeOf = ({ object }: Stored): number => {
  const place = at(object, 'place')
  return typeof place === 'number' ? place : 0
}

/** As they apply: two of one place in the order of their names' characters, however lists are sorted. */
export function inOrder(rules: readonly Stored[]): readonly Stored[] {
  return [...rules].sort((one, other) => placeOf(one) - placeOf(other) || byCharacters(one.id, other.id))
}

/** By the numbers of their characters, which is the order of their bytes in UTF-8; `<` would compare units of UTF-16. */
function byCharacters(one: string, other: string): number {
  const [ours, theirs] = [numbersOf(one), numbersOf(other)]
  const differs = ours.findIndex((number, index) => number !== theirs[index])
  return differs < 0 ? ours.length - theirs.length : (ours[differs] ?? -1) - (theirs[differs] ?? -1)
}

const numbersOf = (text: string): readonly number[] => [...text].map((character) => character.codePointAt(0) ?? 0)

/** In this order of names; whatever it does not name, as it came meanwhile, stands behind, and what is gone is left out. */
export function ordered(rules: readonly Stored[], names: readonly string[]): readonly Stored[] {
  const known = new Map(rules.map((rule) => [rule.id, rule]))
  const named = names.flatMap((name) => known.get(name) ?? [])
  return [...named, ...inOrder(rules).filter(({ id }) => !names.includes(id))]
}

/** The same ones with that at one place put to another. */
export function movedTo<T>(all: readonly T[], from: number, to: number): readonly T[] {
  const others = all.filter((_, index) => index !== from)
  return [...others.slice(0, to), ...all.slice(from, from + 1), ...others.slice(to)]
}

/** The names with one of them moved by so many places; the same ones where it cannot go further. */
export function moved(names: readonly string[], name: string, by: number): readonly string[] {
  const from = names.indexOf(name)
  const to = from + by
  if (from < 0 || to < 0 || to >= names.length) return names
  return movedTo(names, from, to)
}

/** The edits by which they get this order: the places that there are, given anew, so that as few as can be change. */
export function placed(rules: readonly Stored[]): readonly Edit[] {
  const places = [...rules].map(placeOf).sort((one, other) => one - other)
  let last = -1
  return rules.flatMap((rule, index) => {
    last = Math.max(places[index] ?? 0, last + 1)
    const edit = update('dial_rule', rule, withAt(rule.object, 'place', last))
    return edit === undefined ? [] : [edit]
  })
}

/** The place behind all of them. */
export function nextPlace(rules: readonly Stored[]): number {
  return rules.reduce((next, rule) => Math.max(next, placeOf(rule) + 1), 0)
}
