/** What a phone looks at now and then; and whether its computer has slept. */

/** How often counts are read, and the names of dialogs written anew. */
const LOOK_MS = 5_000
/** A computer that was not asked for that long has slept. Browsers let timers of a hidden tab run once a minute: that is no sleep. */
const SLEPT_MS = 90_000

export type WatchWorld = { readonly now: () => number; readonly later: (run: () => void, ms: number) => () => void }

export type Watched = { readonly isOver: () => boolean; /** Looks at what there is. */ readonly look: () => void; readonly hasSlept: () => void }

/** Looks at once, and again until it is over. */
export function keepLooking({ now, later }: WatchWorld, watched: Watched, before = now()): void {
  if (watched.isOver()) return
  const at = now()
  if (at - before > SLEPT_MS) watched.hasSlept()
  watched.look()
  later(() => keepLooking({ now, later }, watched, at), LOOK_MS)
}
