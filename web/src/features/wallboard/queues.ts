/** Which queues stand on a wall. Pure. */

import type { Queue } from './model'

export type Tiles = { readonly kind: 'large' | 'small'; readonly columns: number; readonly shown: readonly Queue[]; readonly more: number }

const LARGE_MOST = 4
const SMALL_COLUMNS = 6
/** Three rows of small tiles leave the agents their half of the wall. */
const SMALL_MOST = 18

/** Up to four queues get large tiles, more small ones; of more than fit, those stay in which somebody waits. */
export function tilesFor(queues: readonly Queue[]): Tiles {
  if (queues.length <= LARGE_MOST) return { kind: 'large', columns: Math.max(1, queues.length), shown: queues, more: 0 }
  const columns = Math.min(SMALL_COLUMNS, Math.ceil(queues.length / Math.ceil(queues.length / SMALL_COLUMNS)))
  if (queues.length <= SMALL_MOST) return { kind: 'small', columns, shown: queues, more: 0 }
  const rank = new Map([...queues].sort((a, b) => b.waiting - a.waiting || b.entered - a.entered).map((queue, index) => [queue.id, index]))
  const shown = queues.filter((queue) => (rank.get(queue.id) ?? SMALL_MOST) < SMALL_MOST)
  return { kind: 'small', columns, shown, more: queues.length - shown.length }
}
