/** Pages of a list: more of them until there is enough to show. */

import type { Outcome, Page, Stored } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'

/** What is shown at a time. */
export const PAGE = 100
/** A kind whose objects belong to several sections: so many requests for one page at most. */
const REQUESTS_MAX = 10

export type Loaded = Page<Stored>

/** Asks for pages until enough objects belong here, or there are no more. */
export async function load(
  ask: (pageToken: string, pageSize: number) => Promise<Outcome<Page<Stored>>>,
  begin: string,
  belongs: (stored: Stored) => boolean,
  isFiltered: boolean,
): Promise<Loaded | Failure> {
  let [next, items]: [string, readonly Stored[]] = [begin, []]
  for (let requests = 0; requests < REQUESTS_MAX; requests += 1) {
    const answer = await ask(next, isFiltered ? 5 * PAGE : PAGE)
    if (answer.kind === 'failed') return answer.failure
    if (answer.kind !== 'ok') return { kind: 'not-understood', detail: answer.kind }
    items = [...items, ...answer.value.items.filter(belongs)]
    next = answer.value.next
    if (next === '' || items.length >= PAGE) break
  }
  return { items, next }
}

/** All that is loaded, each object once: a page that was asked for later may show again what has moved. */
export function together(pages: readonly Loaded[]): readonly Stored[] {
  return [...new Map(pages.flatMap(({ items }) => items).map((stored) => [stored.id, stored])).values()]
}

export function isLoaded(answer: Loaded | Failure): answer is Loaded {
  return 'items' in answer
}
