/** Lists in pages, and who of them is chosen. */

import type { Page, Stored } from '../../api/agent-setup'

/** What is shown at a time. */
export const PAGE = 100

/** All that is loaded, each object once: a page that was asked for later may show again what has moved. */
export function together(pages: readonly Page<Stored>[]): readonly Stored[] {
  return [...new Map(pages.flatMap(({ items }) => items).map((stored) => [stored.id, stored])).values()]
}

/** The chosen ones, whatever the list shows now. */
export type Chosen = ReadonlyMap<string, Stored>

export const NOBODY: Chosen = new Map()

export function chosenToo(chosen: Chosen, stored: readonly Stored[]): Chosen {
  return new Map([...chosen, ...stored.map((one) => [one.id, one] as const)])
}

export function without(chosen: Chosen, ids: readonly string[]): Chosen {
  const gone = new Set(ids)
  return new Map([...chosen].filter(([id]) => !gone.has(id)))
}

/** The chosen ones as they were last read. */
export function latest(chosen: Chosen, loaded: readonly Stored[]): readonly Stored[] {
  const read = new Map(loaded.map((stored) => [stored.id, stored]))
  return [...chosen.values()].map((kept) => {
    const now = read.get(kept.id)
    return now !== undefined && now.revision > kept.revision ? now : kept
  })
}

/** Names to choose from while one is typed: that very one first, then those that begin so, then the others in which it is. */
export function suggested(typed: string, begins: readonly string[], others: readonly string[], most: number): readonly string[] {
  const exact = begins.filter((name) => name.toLowerCase() === typed.toLowerCase())
  return [...new Set([...exact, ...begins, ...others])].slice(0, most)
}
