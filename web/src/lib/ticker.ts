/** One clock for everything that counts up on a page: it writes into the elements itself, so that a thousand
 *  durations cost a thousand short texts a second and no rendering. */

type Hand = { readonly element: HTMLElement; readonly text: (now: number) => string }

const hands = new Set<Hand>()
let timer: ReturnType<typeof setInterval> | undefined
let offset = 0
let frozenAt: number | undefined

/** The server's clock, as well as we know it; while the connection is lost, the last moment we heard of. */
export function now(): number {
  return frozenAt ?? Date.now() + offset
}

/** A moment of our own clock as the server would name it, also while the connection is lost. */
export function serverTime(own: number): number {
  return own + offset
}

/** Takes the difference between the server's clock and ours. */
export function setClockOffset(ms: number): void {
  offset = ms
}

/** Stops the clock at a moment of the server: numbers that nobody confirms must not seem to go on. */
export function freezeAt(at: number | undefined): void {
  frozenAt = at
  tick()
}

/** Keeps the element's text; the answer ends that. */
export function follow(element: HTMLElement, text: (now: number) => string): () => void {
  const hand = { element, text }
  hands.add(hand)
  write(hand, now())
  timer ??= setInterval(tick, 1_000)
  return () => {
    hands.delete(hand)
    if (hands.size === 0 && timer !== undefined) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

function tick(): void {
  const at = now()
  for (const hand of hands) write(hand, at)
}

function write(hand: Hand, at: number): void {
  const text = hand.text(at)
  if (hand.element.textContent !== text) hand.element.textContent = text
}
