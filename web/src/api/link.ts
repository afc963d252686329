/** The token of a link is given up at once for a cookie of the edge, which no script reads: the page then knows the link by an id. */

import { apiPaths } from '../lib/paths'
import { authorization, isLink, linkOf, tenantOf, type Given } from './session'

const DEADLINE_MS = 10_000

/** What the tab keeps of what was given: the id of the link, or the token itself where the edge does not take it in exchange. */
export async function exchanged(given: Given): Promise<Given> {
  if (isLink(given.token)) return given
  try {
    const response = await fetch(apiPaths.exchange(), { method: 'POST', headers: authorization(given.token), signal: AbortSignal.timeout(DEADLINE_MS) })
    const id = response.ok ? idIn(await response.json()) : undefined
    return id === undefined ? given : { token: linkOf(id), tenant: given.tenant === '' ? ownTenant(given.token) : given.tenant }
  } catch {
    // The page says itself that the server does not answer.
    return given
  }
}

/** The tenant that a token names; empty for one of every tenant. */
function ownTenant(token: string): string {
  const own = tenantOf(token) ?? ''
  return own === '*' ? '' : own
}

function idIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('link' in body)) return undefined
  return typeof body.link === 'string' && body.link !== '' ? body.link : undefined
}
