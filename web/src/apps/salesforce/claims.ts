/** Which page of an org tells it of a call: each tab has a softphone, and all of them hear of each call. */

/** Calls that one page has at a time; a desk has fewer. */
const CLAIMS_MAX = 50
/** A tab at which nobody looks lets another one go first. */
const BEHIND_MS = 500

/** Whether the call is for this page: it stays so until the page goes. Where the browser has no locks (no HTTPS), every page takes each call. */
export type Claim = (call: string) => Promise<boolean>

/** `locks` are those of the origin, within one site around it (Web Locks API section 3). */
export function newClaim(locks: Pick<LockManager, 'request'> | undefined, isHidden: () => boolean, later: (run: () => void, ms: number) => void = setTimeout): Claim {
  const claims = new Map<string, Promise<boolean>>()
  const releases = new Map<string, () => void>()
  const forget = (call: string): void => {
    claims.delete(call)
    releases.get(call)?.()
    releases.delete(call)
  }
  const hold = (call: string): Promise<void> =>
    new Promise((release) => {
      releases.set(call, release)
      for (const oldest of [...releases.keys()].slice(0, Math.max(0, releases.size - CLAIMS_MAX))) forget(oldest)
    })
  const claimed = async (call: string, of: Pick<LockManager, 'request'>): Promise<boolean> => {
    if (isHidden()) await new Promise<void>((resolve) => later(resolve, BEHIND_MS))
    return new Promise((resolve) => {
      const request = of.request(`trunkline-call ${call}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null)
        return lock === null ? undefined : hold(call)
      })
      // Twice is better than not at all.
      request.catch(() => resolve(true))
    })
  }
  return async (call) => {
    if (locks === undefined) return true
    const claim = claims.get(call) ?? claimed(call, locks)
    claims.set(call, claim)
    const isOurs = await claim
    // The page that has it may go before the call does.
    if (!isOurs && claims.get(call) === claim) claims.delete(call)
    return isOurs
  }
}
