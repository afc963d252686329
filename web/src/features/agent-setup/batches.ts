/** Many edits, sent in several batches one behind the other. */

import type { Changed, Edit, Outcome } from '../../api/agent-setup'

/** What the server takes at once is more; its documents would not fit into one answer. */
export const BATCH = 200

type Send = (requestId: string, edits: readonly Edit[]) => Promise<Outcome<Changed>>

/** Sends until one is refused, or nobody wants it any more. Each batch has a name made of that of the whole: sent again, it counts once. */
export async function inBatches(edits: readonly Edit[], requestId: string, send: Send, onDone: (done: number) => void, isWanted: () => boolean): Promise<Outcome<Changed>> {
  if (edits.length <= BATCH) return send(requestId, edits)
  let all: Changed = { revision: 0, changes: [] }
  for (let done = 0; done < edits.length && isWanted(); done += BATCH) {
    const outcome = await send(`${requestId}.${done / BATCH}`, edits.slice(done, done + BATCH))
    if (outcome.kind !== 'ok') return outcome
    all = { revision: outcome.value.revision, changes: [...all.changes, ...outcome.value.changes] }
    onDone(Math.min(done + BATCH, edits.length))
  }
  return { kind: 'ok', value: all }
}
