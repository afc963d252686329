/** How long to wait before the next attempt to connect. */

const FIRST_MS = 500
const MOST_MS = 10_000

/** Doubles from half a second to ten; `chance` (0 to 1) takes away up to a half, so that a hundred walls do not come
 *  back in the same moment. */
export function backOffMs(attempt: number, chance: number): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 16))
  return Math.round(full * (1 - chance / 2))
}
