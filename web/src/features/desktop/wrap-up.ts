/** The end of after-call work, and more of it. */

/** So long before the end it is said: long enough to ask for more (WCAG 2.2, 2.2.1). */
export const WARNED_MS = 20_000
const MORE_S = 60
/** The server counts from the moment of the request; from 1,000 seconds on it would have no end, unless the tenant says another number. */
const SECONDS_MAX = 900

/** The seconds from now on, for one minute more than there is; undefined where that would be too many. */
export function moreSeconds(until: number, now: number): number | undefined {
  const seconds = Math.max(0, Math.ceil((until - now) / 1_000)) + MORE_S
  return seconds > SECONDS_MAX ? undefined : seconds
}
