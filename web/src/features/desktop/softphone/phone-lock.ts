/** One tab of a browser is the phone of a number; the next one is as soon as that tab is gone. */

/** Runs `held` once the lock is this tab's, and `waits` if it is another's until then. The answer gives it away, or no longer waits for it. */
export function holdLock(name: string, waits: () => void, held: () => void): () => void {
  let release = (): void => undefined
  const over = new AbortController()
  const hold = (): Promise<void> => {
    held()
    return new Promise((resolve) => {
      release = resolve
    })
  }
  const ask = async (): Promise<void> => {
    const isHeld = await navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock === null) return false
      return over.signal.aborted ? true : hold().then(() => true)
    })
    if (isHeld || over.signal.aborted) return
    waits()
    await navigator.locks.request(name, { signal: over.signal }, hold)
  }
  // Giving up the wait is no error.
  ask().catch(() => undefined)
  return () => {
    over.abort()
    release()
  }
}
