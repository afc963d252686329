/** What a page leaves behind that goes on while others are looked at, as a call does: the frame of all pages shows it there. */

import type { ComponentType } from 'react'

let shown: ComponentType | undefined
const readers = new Set<() => void>()

/** From now on, on every page but those that show it themselves. */
export function showBeside(what: ComponentType): void {
  shown = what
  for (const read of readers) read()
}

export function besideNow(): ComponentType | undefined {
  return shown
}

export function onBeside(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
