/** The stream of one wallboard as a store: folds messages, shows them at most once a frame. */

import { changeCame, changesPainted } from '../../live/latency'
import { frame } from '../../live/frame'
import { openStream, type Connection, type Stream, type StreamEvent } from '../../live/stream'
import { freezeAt, setClockOffset } from '../../lib/ticker'
import { apiPaths } from '../../lib/paths'
import { checked, type Answer, type Check } from '../../api/check'
import type { Failure } from '../../api/errors'
import { isChange, isReached, isSnapshot } from '../../api/generated/pulse-checks'
import { reduce, type Board, type Fact } from './model'

export type FeedState = {
  readonly connection: Connection
  readonly board: Board | undefined
}

export type Feed = {
  readonly subscribe: (onChange: () => void) => () => void
  readonly get: () => FeedState
  readonly retry: () => void
  readonly close: () => void
}

export type FeedOptions = { readonly token: string; readonly tenant: string }

export function openFeed({ token, tenant }: FeedOptions): Feed {
  let state: FeedState = { connection: { kind: 'connecting' }, board: undefined }
  let shown = state
  const readers = new Set<() => void>()
  const clock = clockDifference()
  // Changes by facts before this are no news: they happened while nobody listened.
  let liveSince = Infinity

  const shows = frame(() => {
    if (shown === state) return
    shown = state
    for (const reader of readers) reader()
  }, changesPainted)

  const onEvent = (event: StreamEvent): Failure | undefined => {
    const answer = factOf(event)
    if (answer === undefined) return undefined
    if (answer.kind === 'failed') return answer.failure
    const fact = answer.value
    setClockOffset(clock.heard(fact.at, Date.now()))
    if (fact.kind === 'change' && fact.eventAt !== null && fact.eventAt >= liveSince) changeCame(fact.eventAt)
    state = { ...state, board: reduce(state.board, fact) }
    shows.ask()
    return undefined
  }
  const onConnection = (connection: Connection): void => {
    state = { ...state, connection }
    if (connection.kind === 'live') liveSince = Date.now()
    freezeAt(connection.kind === 'live' ? undefined : state.board?.at)
    shows.ask()
  }
  const stream: Stream = openStream({ path: apiPaths.wallboardStream(tenant), token, onEvent, onConnection })
  return {
    subscribe: (reader) => {
      readers.add(reader)
      return () => readers.delete(reader)
    },
    get: () => shown,
    retry: stream.retry,
    close: () => {
      shows.cancel()
      stream.close()
      freezeAt(undefined)
      // Other pages count by the browser's clock.
      setClockOffset(0)
    },
  }
}

/** A message of the stream; kinds that are not known to us are left alone, so that the server may add some. */
export function factOf({ event, data }: StreamEvent): Answer<Fact> | undefined {
  switch (event) {
    case 'snapshot':
      return of(data, isSnapshot, (body) => ({ kind: 'snapshot', ...body }))
    case 'change':
      return of(data, isChange, (body) => ({ kind: 'change', ...body }))
    case 'reached':
      return of(data, isReached, (body) => ({ kind: 'reached', ...body }))
    default:
      return undefined
  }
}

function of<T>(data: string, check: Check<T>, fact: (body: T) => Fact): Answer<Fact> {
  const answer = checked(check, parsed(data))
  return answer.kind === 'ok' ? { kind: 'ok', value: fact(answer.value) } : answer
}

/** JSON, or nothing that any check takes. */
function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

/** The server's clock against ours. A message is never early, so the largest difference lately is the nearest one. */
function clockDifference(): { readonly heard: (serverAt: number, ownAt: number) => number } {
  const KEPT = 32
  const differences: number[] = []
  return {
    heard: (serverAt, ownAt) => {
      differences.push(serverAt - ownAt)
      if (differences.length > KEPT) differences.shift()
      return Math.max(...differences)
    },
  }
}
