/** To what of a history there is a way back. */

import type { HistoryEntry, JsonObject } from '../../api/agent-setup'
import { at } from './document'

type Entry = Pick<HistoryEntry, 'kind' | 'id' | 'revision' | 'before' | 'after'>

/**
 * Of one object: every earlier state. Of all objects, whose present state is not known: what was deleted and has not come back, as far as
 * the loaded entries say; the latest come first.
 */
export function canRestore(entries: readonly Entry[], index: number, isOfAll: boolean): boolean {
  const entry = entries[index]
  // That of a snapshot tells who has made or removed it, and no object.
  if (entry === undefined || entry.kind === 'snapshot') return false
  if (!isOfAll) return index > 0 && entry.after !== null
  const isLatest = !entries.slice(0, index).some(({ kind, id }) => kind === entry.kind && id === entry.id)
  return isLatest && entry.after === null && entry.before !== null
}

/** The state that comes back: of a deletion that before it. */
export function backTo({ revision, before, after }: Entry): { readonly revision: number; readonly object: JsonObject | null } {
  return after === null ? { revision: revision - 1, object: before } : { revision, object: after }
}

/** Whether a tenant comes back with another provider than it has now: the secret of today is not told to that one. */
export function losesSecret(present: JsonObject | null, back: JsonObject | null): boolean {
  const [now, then] = [present, back].map((object) => at(object ?? undefined, 'sign_in.upstream.issuer'))
  return typeof then === 'string' && then !== now
}
