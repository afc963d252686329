/** Short news of what has been done: one place that says them, one that shows them. */

export type Said = { readonly text: string; readonly number: number; readonly tone: 'good' | 'bad' }

let said: Said | undefined
const readers = new Set<() => void>()

export function say(text: string, tone: Said['tone'] = 'good'): void {
  said = { text, tone, number: (said?.number ?? 0) + 1 }
  for (const read of readers) read()
}

export function unsay(): void {
  if (said === undefined) return
  said = undefined
  for (const read of readers) read()
}

export function whatWasSaid(): Said | undefined {
  return said
}

export function onSaid(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
