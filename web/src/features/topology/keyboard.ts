/** Where an arrow key leads from one part of the drawing. Pure. */

import type { Party } from './layout'

export type Arrow = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown'

export function isArrow(key: string): key is Arrow {
  return key === 'ArrowLeft' || key === 'ArrowRight' || key === 'ArrowUp' || key === 'ArrowDown'
}

/** The nearest part in that direction; one that is straight ahead is nearer than one aside. */
export function neighbour(parties: readonly Party[], from: Party, arrow: Arrow): Party {
  let best = from
  let bestDistance = Infinity
  for (const party of parties) {
    const [ahead, aside] = offsets(from, party, arrow)
    if (ahead <= 0) continue
    const distance = ahead + 2.5 * Math.abs(aside)
    if (distance < bestDistance) {
      best = party
      bestDistance = distance
    }
  }
  return best
}

function offsets(from: Party, to: Party, arrow: Arrow): readonly [number, number] {
  const dx = to.x - from.x
  const dy = to.y - from.y
  switch (arrow) {
    case 'ArrowLeft':
      return [-dx, dy]
    case 'ArrowRight':
      return [dx, dy]
    case 'ArrowUp':
      return [-dy, dx]
    case 'ArrowDown':
      return [dy, dx]
  }
}
