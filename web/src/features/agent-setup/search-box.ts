/** What stands in the search box, and the filter of the address: whoever types is ahead of it, and a way back in the history is ahead of the box. */

export type Words = { readonly q: string; readonly skill: string }

export type SearchBox = {
  readonly typed: Words
  /** The filter as it was last seen. */
  readonly seen: Words
  /** What the box has made of it last. */
  readonly told: Words
}

export const isSameWords = (one: Words, other: Words): boolean => one.q === other.q && one.skill === other.skill

export function boxOf({ q, skill }: Words): SearchBox {
  const words = { q, skill }
  return { typed: words, seen: words, told: words }
}

/** The box under a filter: one that it has not made itself takes the place of what was typed. */
export function synced(box: SearchBox, { q, skill }: Words): SearchBox {
  const filter = { q, skill }
  if (isSameWords(box.seen, filter)) return box
  return isSameWords(box.told, filter) ? { ...box, seen: filter } : boxOf(filter)
}
