import { useEffect, useState } from 'react'
import type { Check } from '../api/check'
import { getJson } from '../api/client'
import { isFinal, type Failure } from '../api/errors'
import type { Session } from '../api/session'
import { freezeAt, serverTime } from '../lib/ticker'

/** A document that is asked for again and again. `last` is what it was before, for differences; `heardAt` when it came, by the server's clock. */
export type Polled<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'shown'; readonly value: T; readonly last: T | undefined; readonly heardAt: number; readonly failure: Failure | undefined }
  | { readonly kind: 'failing'; readonly failure: Failure }

/** When to ask again: after so many milliseconds, or never. A stable function. */
export type NextLook<T> = (value: T, now: number) => number | undefined

const AFTER_A_FAILURE_MS = 2_000

/** Asks again and again, only after an answer; what failed once is tried again as long as that can help. While nobody sees the page it rests. Durations
 *  stand still while the server does not answer: nobody confirms that they go on. */
export function usePolled<T>(session: Session, path: string, check: Check<T>, next: NextLook<T>): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ kind: 'loading' })
  useEffect(() => {
    const ended = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let rests = false
    const due = (): void => {
      rests = document.visibilityState === 'hidden'
      if (!rests) void ask()
    }
    const seen = (): void => {
      if (rests && document.visibilityState === 'visible') due()
    }
    const ask = async (): Promise<void> => {
      const answer = await getJson(session, path, check, ended.signal)
      if (ended.signal.aborted) return
      setPolled((before) => after(before, answer.kind === 'ok' ? answer.value : undefined, answer.kind === 'ok' ? undefined : answer.failure))
      if (answer.kind === 'failed' && isFinal(answer.failure)) return
      const pause = answer.kind === 'ok' ? next(answer.value, Date.now()) : AFTER_A_FAILURE_MS
      if (pause !== undefined) timer = setTimeout(due, pause)
    }
    setPolled({ kind: 'loading' })
    void ask()
    document.addEventListener('visibilitychange', seen)
    return () => {
      ended.abort()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', seen)
    }
  }, [session, path, check, next])
  const staleAt = polled.kind === 'shown' && polled.failure !== undefined ? polled.heardAt : undefined
  useEffect(() => {
    freezeAt(staleAt)
    return () => freezeAt(undefined)
  }, [staleAt])
  return polled
}

function after<T>(before: Polled<T>, value: T | undefined, failure: Failure | undefined): Polled<T> {
  const known = before.kind === 'shown' ? before.value : undefined
  if (failure !== undefined) {
    if (isFinal(failure)) return { kind: 'refused', failure }
    return before.kind === 'shown' ? { ...before, failure } : { kind: 'failing', failure }
  }
  return value === undefined ? before : { kind: 'shown', value, last: known, heardAt: serverTime(Date.now()), failure: undefined }
}
