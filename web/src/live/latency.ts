/** A measuring aid: `window.__latency` holds how many milliseconds passed from a fact to the painted number, for the
 *  last changes; a change that gathers several facts counts from the oldest. It compares the server's clock with the browser's, so it serves on one machine. */

declare global {
  interface Window {
    __latency?: number[]
  }
}

/** An hour of changes at three a second; 80 kB. */
const KEPT = 10_000

let waiting: number[] = []

/** A change has come in whose oldest fact happened at that moment. */
export function changeCame(eventAt: number): void {
  if (waiting.length < KEPT) waiting.push(eventAt)
}

/** What came in until now is on the screen. */
export function changesPainted(): void {
  const ring = (window.__latency ??= [])
  const now = Date.now()
  for (const eventAt of waiting) ring.push(now - eventAt)
  waiting = []
  if (ring.length > KEPT) ring.splice(0, ring.length - KEPT)
}
