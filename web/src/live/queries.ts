import { QueryClient } from '@tanstack/react-query'
import type { Failure } from '../api/errors'
import { onReached, unreachableSince } from '../lib/reached'
import { backOffMs } from './back-off'

const RETRIES_MAX = 3
/** Whoever is told to wait for longer than this tries again by hand. */
const WAIT_MAX_MS = 60_000

/** Why a query has failed, where its error says so. */
function failureIn(error: unknown): Failure | undefined {
  return typeof error === 'object' && error !== null && 'failure' in error ? (error.failure as Failure) : undefined
}

/** Whether the same is asked once more: what the server cannot answer now it may answer soon. While it is not reached at all, everything
 *  waits for that. */
export function isTriedAgain(failures: number, error: unknown): boolean {
  const failure = failureIn(error)
  return failures < RETRIES_MAX && failure?.kind === 'server' && (failure.status === 429 || failure.status >= 500) && (failure.waitMs ?? 0) <= WAIT_MAX_MS
}

/** How long to wait before that: as long as the server says, if it does. */
export function pauseMs(failures: number, error: unknown): number {
  const failure = failureIn(error)
  return Math.max(failure?.kind === 'server' ? (failure.waitMs ?? 0) : 0, backOffMs(failures, Math.random()))
}

/** What the pages have asked for, so that a page that comes back shows at once what it showed before. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A browser without internet still reaches an installation in its own network.
      networkMode: 'always',
      refetchOnReconnect: true,
      retry: isTriedAgain,
      retryDelay: pauseMs,
      gcTime: 60_000,
    },
  },
})

/** All pages notice in the same moment that a server is back. */
const SPREAD_MS = 2_000

/** Asks again for what failed and for what may have changed, soon after the server is reached again. */
export function refetchWhenReached(client: QueryClient): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = onReached(() => {
    clearTimeout(timer)
    if (unreachableSince() === undefined) timer = setTimeout(() => void client.invalidateQueries(), Math.random() * SPREAD_MS)
  })
  return () => {
    clearTimeout(timer)
    stop()
  }
}

refetchWhenReached(queries)
