/** The token that the link carries, and what it says about itself. It is read, never verified: the server does that. Where the edge has
 *  taken it in exchange for a cookie, the id of the link stands in its place. */

import type { Failure } from './errors'

/** A token, and the tenant that stands beside it; empty where none does. */
export type Given = { readonly token: string; readonly tenant: string }

export type Session = {
  /** Empty for somebody who has signed in: the cookie is enough. `link:` and an id where the edge keeps the token of a link. */
  readonly token: string
  readonly tenant: string
}

/** Where the token is kept: for this tab and as long as it is open. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

const TOKEN = 'trunkline.token'
const TENANT = 'trunkline.tenant'
const LINK = 'link:'

/** What people paste: a whole link, its fragment, or the token, each with or without `&tenant=`. */
export function givenIn(text: string): Given | undefined {
  const trimmed = text.trim()
  const hash = trimmed.indexOf('#')
  const fragment = hash < 0 ? trimmed : trimmed.slice(hash + 1)
  const read = new URLSearchParams(fragment.includes('token=') ? fragment : `token=${fragment}`)
  const token = read.get('token')?.trim() ?? ''
  return token === '' ? undefined : { token, tenant: read.get('tenant')?.trim() ?? '' }
}

/** The token in a fragment such as `#token=...&tenant=example`. */
export function givenInFragment(fragment: string): Given | undefined {
  const given = new URLSearchParams(fragment.replace(/^#/, ''))
  const token = given.get('token')?.trim() ?? ''
  return token === '' ? undefined : { token, tenant: given.get('tenant') ?? '' }
}

/** Keeps a token. */
export function signIn(token: string, tenant: string | null, keep: Keep): void {
  keep.setItem(TOKEN, token)
  if (tenant === null || tenant === '') keep.removeItem(TENANT)
  else keep.setItem(TENANT, tenant)
}

export function signOut(keep: Keep): void {
  keep.removeItem(TOKEN)
  keep.removeItem(TENANT)
}

/** What stands in the place of the token of a link that the edge keeps. */
export function linkOf(id: string): string {
  return `${LINK}${id}`
}

export function isLink(token: string): boolean {
  return token.startsWith(LINK)
}

/** The header that shows the token or names the link, where there is one. */
export function authorization(token: string): Readonly<Record<string, string>> {
  if (isLink(token)) return { 'Trunkline-Link': token.slice(LINK.length) }
  return token === '' ? {} : { Authorization: `Bearer ${token}` }
}

/** Why the page of a tenant cannot be shown for a session that names none. */
export function whyNoTenant(session: Session): Failure {
  // The edge takes no token that cannot be read.
  return { kind: isLink(session.token) || tenantOf(session.token) === '*' ? 'no-tenant' : 'unreadable-token' }
}

/** The kept token with its tenant; a token for any tenant needs the tenant beside it. */
export function currentSession(keep: Keep): Session | undefined {
  const token = keep.getItem(TOKEN)
  if (token === null || token === '') return undefined
  const own = tenantOf(token)
  const tenant = keep.getItem(TENANT) ?? (own === '*' ? undefined : own)
  return { token, tenant: tenant ?? '' }
}

/** The tenant that a token names, `*` for every one; undefined if it cannot be read. */
export function tenantOf(token: string): string | undefined {
  const payload = token.split('.')[1]
  if (payload === undefined) return undefined
  try {
    const text = atob(payload.replaceAll('-', '+').replaceAll('_', '/'))
    const claims: unknown = JSON.parse(text)
    if (typeof claims !== 'object' || claims === null || !('tenant' in claims)) return undefined
    return typeof claims.tenant === 'string' ? claims.tenant : undefined
  } catch {
    return undefined
  }
}
