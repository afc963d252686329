/** Asks the APIs: the token in the header, a deadline on every request, failures as values. */

import { checked, type Answer, type Check } from './check'
import { failureOf } from './errors'
import { authorization, type Session } from './session'

/** Longer than the server's own deadline towards its roles. */
const DEADLINE_MS = 10_000

/** Gets a JSON document of the type that is checked. */
export async function getJson<T>(session: Session, path: string, check: Check<T>, signal?: AbortSignal): Promise<Answer<T>> {
  const deadline = AbortSignal.timeout(DEADLINE_MS)
  try {
    const response = await fetch(path, {
      headers: { ...authorization(session.token), Accept: 'application/json' },
      cache: 'no-store',
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    })
    if (!response.ok) return { kind: 'failed', failure: await failureOf(response) }
    return checked(check, await response.json())
  } catch (error) {
    return { kind: 'failed', failure: { kind: 'unreachable', detail: String(error) } }
  }
}
