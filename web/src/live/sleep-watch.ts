/** Whether the computer has slept: its clock has gone on, and nothing was run. */

/** So often it is looked. */
const LOOK_MS = 5_000
/** A page that was not asked for that long has slept. */
const SLEPT_MS = 15_000
/** The same of a hidden tab: browsers let its timers run once a minute, which is no sleep. */
const SLEPT_HIDDEN_MS = 90_000

export type SleepWorld = {
  readonly now: () => number
  readonly isHidden: () => boolean
  /** Looks again and again; the answer ends that. */
  readonly each: (look: () => void, ms: number) => () => void
}

/** `hasSlept` says whether it has since it was asked last. */
export function watchSleep({ now, isHidden, each }: SleepWorld): { readonly hasSlept: () => boolean; readonly end: () => void } {
  let [seen, wasHidden, hasSlept] = [now(), isHidden(), false]
  const look = (): void => {
    const at = now()
    hasSlept ||= at - seen > (wasHidden || isHidden() ? SLEPT_HIDDEN_MS : SLEPT_MS)
    seen = at
    wasHidden = isHidden()
  }
  const end = each(look, LOOK_MS)
  const asked = (): boolean => {
    look()
    const answer = hasSlept
    hasSlept = false
    return answer
  }
  return { hasSlept: asked, end }
}
