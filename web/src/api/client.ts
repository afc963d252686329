/** Asks the APIs: the token in the header, a deadline on every request, failures as values. */

import { failureOf, type Failure } from './errors'
import type { Session } from './session'

export type Answer<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly failure: Failure }

/** Longer than the server's own deadline towards its roles. */
const DEADLINE_MS = 10_000

/** Gets a JSON document. The type is the server's promise: it is checked by the tests of both sides, not here. */
export async function getJson<T>(session: Session, path: string, signal?: AbortSignal): Promise<Answer<T>> {
  const deadline = AbortSignal.timeout(DEADLINE_MS)
  try {
    const response = await fetch(path, {
      headers: { Authorization: `Bearer ${session.token}`, Accept: 'application/json' },
      cache: 'no-store',
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    })
    if (!response.ok) return { kind: 'failed', failure: await failureOf(response) }
    return { kind: 'ok', value: (await response.json()) as T }
  } catch (error) {
    return { kind: 'failed', failure: { kind: 'unreachable', detail: String(error) } }
  }
}
