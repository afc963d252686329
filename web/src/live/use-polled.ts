import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { Answer, Check } from '../api/check'
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

/** When to ask again: after so many milliseconds, or never. */
export type NextLook<T> = (value: T, now: number) => number | undefined

const LOADING = { kind: 'loading' } as const
const AFTER_A_FAILURE_MS = 2_000

/** Asks again and again; what failed once is tried again as long as that can help. While nobody sees the page it rests. Durations
 *  stand still while the server does not answer: nobody confirms that they go on. */
export function usePolled<T>(session: Session, path: string, check: Check<T>, next: NextLook<T>): Polled<T> {
  const { data: polled = LOADING } = useQuery<Polled<T>>({
    queryKey: [path, session.token],
    queryFn: async ({ client, queryKey, signal }) => {
      const answer = await getJson(session, path, check, signal)
      return after(client.getQueryData<Polled<T>>(queryKey) ?? LOADING, answer, serverTime(Date.now()))
    },
    // Numbers and times differ in every answer: comparing them with the last ones saves nothing.
    structuralSharing: false,
    refetchInterval: ({ state }) => pause(state.data ?? LOADING, next) ?? false,
    refetchOnWindowFocus: ({ state }) => pause(state.data ?? LOADING, next) !== undefined,
  })
  const staleAt = polled.kind === 'shown' && polled.failure !== undefined ? polled.heardAt : undefined
  useEffect(() => {
    freezeAt(staleAt)
    return () => freezeAt(undefined)
  }, [staleAt])
  return polled
}

/** How long until the next look; undefined: there is none. */
export function pause<T>(polled: Polled<T>, next: NextLook<T>): number | undefined {
  if (polled.kind === 'refused') return undefined
  return polled.kind === 'shown' && polled.failure === undefined ? next(polled.value, Date.now()) : AFTER_A_FAILURE_MS
}

/** What is shown after an answer. A failure leaves what was shown, unless it is final. */
export function after<T>(before: Polled<T>, answer: Answer<T>, at: number): Polled<T> {
  if (answer.kind === 'ok') {
    return { kind: 'shown', value: answer.value, last: before.kind === 'shown' ? before.value : undefined, heardAt: at, failure: undefined }
  }
  if (isFinal(answer.failure)) return { kind: 'refused', failure: answer.failure }
  return before.kind === 'shown' ? { ...before, failure: answer.failure } : { kind: 'failing', failure: answer.failure }
}
