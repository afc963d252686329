/** Short news of what has been done: one place that says them, one that shows them. */

let said: { readonly text: string; readonly number: number } | undefined
const readers = new Set<() => void>()

export function say(text: string): void {
  said = { text, number: (said?.number ?? 0) + 1 }
  for (const read of readers) read()
}

export function unsay(): void {
  if (said === undefined) return
  said = undefined
  for (const read of readers) read()
}

export function whatWasSaid(): { readonly text: string; readonly number: number } | undefined {
  return said
}

export function onSaid(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
