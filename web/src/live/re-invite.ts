/** A change of a call that was refused for now is asked for again (RFC 3261 section 14.1): else the server goes on sending to where the page was before. */

/** What became of one INVITE: the status of its final answer; `pending` where another one is under way. */
export type Reinvited = number | 'pending' | 'over'

/** 491: both sides have changed it at once, 503 and 500: not now, 408 and 504: nobody in time. Others are final. */
const FOR_NOW: readonly Reinvited[] = ['pending', 491, 500, 503, 504]
/** With their pauses as long as an INVITE waits for its answer (timer B, 32 s), which one before may do still. */
const TRIES_MAX = 12
/** Who has not made the Call-ID waits up to two seconds, in steps of 10 ms; who has, from 2.1 to 4 seconds. */
const OTHERS_MS = { least: 0, most: 2_000 }
const OWN_MS = { least: 2_100, most: 4_000 }
const STEP_MS = 10

export type ReinviteWorld = { readonly wait: (ms: number) => Promise<void>; readonly chance: () => number }

/** Asks until it is taken, or is refused for good, or the call is over. Whether it was taken. */
export async function reinvited(ask: () => Promise<Reinvited>, hasOwnCallId: boolean, { wait, chance }: ReinviteWorld): Promise<boolean> {
  const { least, most } = hasOwnCallId ? OWN_MS : OTHERS_MS
  for (let tries = 1; ; tries += 1) {
    const answer = await ask()
    if (typeof answer === 'number' && answer < 300) return true
    if (!FOR_NOW.includes(answer) || tries === TRIES_MAX) return false
    // Of a server that is away the pauses grow.
    await wait(STEP_MS * Math.round((least + chance() * (most - least)) / STEP_MS) + (answer === 491 ? 0 : 500 * (tries - 1)))
  }
}
