/** Whether the server answers: told by whoever asks it, shown above the page. */

const readers = new Set<() => void>()
let lostAt: number | undefined

export function tellReached(): void {
  if (lostAt === undefined) return
  lostAt = undefined
  for (const read of readers) read()
}

export function tellUnreachable(): void {
  if (lostAt !== undefined) return
  lostAt = Date.now()
  for (const read of readers) read()
}

/** Since when it does not; undefined while it does. */
export function unreachableSince(): number | undefined {
  return lostAt
}

export function onReached(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
