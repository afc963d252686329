/** Who has signed in at the edge: the cookie says it to the server, and the server to us. */

import { apiPaths } from '../lib/paths'
import type { Answer } from './check'
import { failureOf } from './errors'

/** A person who has signed in. */
export type Account = {
  readonly tenant: string
  readonly user: string
  readonly name: string
  readonly privileges: readonly string[]
  readonly scopes: readonly string[]
}

const DEADLINE_MS = 10_000

/** The person who has signed in; undefined where nobody has. Asked by a person's doing, or by the page itself. */
export async function askAccount(by: 'person' | 'page'): Promise<Answer<Account | undefined>> {
  try {
    const response = await fetch(apiPaths.session(by), { headers: { Accept: 'application/json' }, cache: 'no-store', signal: AbortSignal.timeout(DEADLINE_MS) })
    if (!response.ok) return { kind: 'failed', failure: await failureOf(response) }
    return accountIn(await response.json())
  } catch (error) {
    return { kind: 'failed', failure: { kind: 'unreachable', detail: String(error) } }
  }
}

/** Ends the session of this browser; says whether the server did. */
export async function signOutAccount(): Promise<Answer<undefined>> {
  try {
    const response = await fetch(apiPaths.signOut(), { method: 'POST', signal: AbortSignal.timeout(DEADLINE_MS) })
    if (!response.ok) return { kind: 'failed', failure: await failureOf(response) }
    return { kind: 'ok', value: undefined }
  } catch (error) {
    return { kind: 'failed', failure: { kind: 'unreachable', detail: String(error) } }
  }
}

/** Reads what the server says. */
export function accountIn(body: unknown): Answer<Account | undefined> {
  const notUnderstood: Answer<undefined> = { kind: 'failed', failure: { kind: 'not-understood', detail: '/session' } }
  if (typeof body !== 'object' || body === null || !('signed_in' in body)) return notUnderstood
  if (body.signed_in !== true) return { kind: 'ok', value: undefined }
  const text = (name: string): string | undefined => textOf(body, name)
  const [tenant, user] = [text('tenant'), text('user')]
  if (tenant === undefined || user === undefined) return notUnderstood
  return { kind: 'ok', value: { tenant, user, name: text('name') ?? user, privileges: textsOf(body, 'privileges'), scopes: textsOf(body, 'scopes') } }
}

function textOf(body: object, name: string): string | undefined {
  const value: unknown = Object.entries(body).find(([key]) => key === name)?.[1]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function textsOf(body: object, name: string): readonly string[] {
  const value: unknown = Object.entries(body).find(([key]) => key === name)?.[1]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
