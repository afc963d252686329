/** Server-sent events over fetch, because EventSource cannot send the token in a header. Reconnects with a growing
 *  pause and Last-Event-ID; silence counts as a lost connection. */

import { createParser } from 'eventsource-parser'
import { failureOf, isFinal, type Failure } from '../api/errors'
import { authorization } from '../api/session'
import { note } from '../lib/noted'
import { backOffMs } from './back-off'

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly failure: Failure; readonly retryAt: number }
  | { readonly kind: 'refused'; readonly failure: Failure }

export type StreamEvent = { readonly event: string; readonly data: string }

export type StreamOptions = {
  readonly path: string
  readonly token: string
  /** Answers with a failure where the event is not understood: the stream then begins anew. */
  readonly onEvent: (event: StreamEvent) => Failure | undefined
  readonly onConnection: (connection: Connection) => void
}

export type Stream = {
  /** Tries again now instead of at the end of the pause. */
  readonly retry: () => void
  readonly close: () => void
}

/** The server says something at least each 5 s. */
const SILENCE_MS = 12_000

/** Opens the stream and keeps it open until it is closed or refused for good. */
export function openStream(options: StreamOptions): Stream {
  const ended = new AbortController()
  let wake: () => void = () => undefined
  let lastId = ''

  async function run(): Promise<void> {
    let attempt = 0
    options.onConnection({ kind: 'connecting' })
    while (!ended.signal.aborted) {
      const failure = await connectOnce(options, lastId, ended.signal, (id) => {
        if (id !== undefined) lastId = id
        attempt = 0
      })
      if (ended.signal.aborted) return
      // What came after an event that was not understood would be missing something.
      if (failure.kind === 'not-understood') lastId = ''
      // A server that has just started may not know its tenants yet.
      if (isFinal(failure) && failure.kind !== 'not-found') {
        options.onConnection({ kind: 'refused', failure })
        return
      }
      if (attempt === 0) note({ kind: 'lost', where: 'stream' })
      const pause = backOffMs(attempt, Math.random())
      attempt += 1
      options.onConnection({ kind: 'lost', failure, retryAt: Date.now() + pause })
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, pause)
      })
    }
  }

  const onOnline = (): void => wake()
  globalThis.addEventListener?.('online', onOnline)
  void run()
  return {
    retry: () => wake(),
    close: () => {
      globalThis.removeEventListener?.('online', onOnline)
      ended.abort()
      wake()
    },
  }
}

/** One connection from beginning to end; the answer says why it ended. */
async function connectOnce(
  options: StreamOptions,
  lastId: string,
  ended: AbortSignal,
  onHeard: (id: string | undefined) => void,
): Promise<Failure> {
  const silent = new AbortController()
  let misunderstood: Failure | undefined
  let silence = setTimeout(() => silent.abort(), SILENCE_MS)
  try {
    const headers: Record<string, string> = { ...authorization(options.token), Accept: 'text/event-stream' }
    if (lastId !== '') headers['Last-Event-ID'] = lastId
    const signal = AbortSignal.any([ended, silent.signal])
    const response = await fetch(options.path, { headers, cache: 'no-store', signal })
    if (!response.ok) return await failureOf(response)
    if (response.body === null) return { kind: 'unreachable', detail: 'no body' }

    const parser = createParser({
      onEvent: (message) => {
        if (misunderstood !== undefined) return
        misunderstood = options.onEvent({ event: message.event ?? 'message', data: message.data })
        if (misunderstood === undefined) onHeard(message.id)
      },
    })
    options.onConnection({ kind: 'live' })
    const reader = response.body.getReader()
    const text = new TextDecoder()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { kind: 'unreachable', detail: 'the server closed the stream' }
      clearTimeout(silence)
      silence = setTimeout(() => silent.abort(), SILENCE_MS)
      parser.feed(text.decode(value, { stream: true }))
      if (misunderstood !== undefined) {
        await reader.cancel()
        return misunderstood
      }
    }
  } catch (error) {
    return { kind: 'unreachable', detail: silent.signal.aborted ? 'silence' : String(error) }
  } finally {
    clearTimeout(silence)
  }
}
