/** What a request can end with, and the one place that turns answers of the server into it. */

import { assertNever } from '../lib/assert-never'
import { t } from '../lib/i18n'

export type Failure =
  | { readonly kind: 'no-token' }
  | { readonly kind: 'no-tenant' }
  | { readonly kind: 'unreadable-token' }
  | { readonly kind: 'refused-token'; readonly detail: string }
  | { readonly kind: 'not-allowed'; readonly detail: string }
  | { readonly kind: 'not-found'; readonly detail: string }
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'not-understood'; readonly detail: string }
  /** `waitMs`: how long the server wants to be left alone. */
  | { readonly kind: 'server'; readonly status: number; readonly detail: string; readonly waitMs?: number }

/** A failure that trying again does not mend. */
export function isFinal(failure: Failure): boolean {
  return failure.kind !== 'unreachable' && failure.kind !== 'server' && failure.kind !== 'not-understood'
}

/** From an answer that is no success; reads its problem document (RFC 9457) where there is one. */
export async function failureOf(response: Response): Promise<Failure> {
  const detail = await detailOf(response)
  switch (response.status) {
    case 401:
    // The page is not of the person who is signed in by now: the pages ask who that is.
    case 412:
      return { kind: 'refused-token', detail }
    case 403:
      return { kind: 'not-allowed', detail }
    case 404:
      return { kind: 'not-found', detail }
    default: {
      const waitMs = waitIn(response.headers.get('Retry-After'), Date.now())
      return { kind: 'server', status: response.status, detail, ...(waitMs === undefined ? {} : { waitMs }) }
    }
  }
}

/** What `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a date. */
export function waitIn(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^[0-9]+$/.test(text)) return Number(text) * 1_000
  const until = text === '' ? Number.NaN : Date.parse(text)
  return Number.isNaN(until) ? undefined : Math.max(0, until - now)
}

async function detailOf(response: Response): Promise<string> {
  try {
    const body: unknown = await response.json()
    if (typeof body !== 'object' || body === null) return ''
    if ('detail' in body && typeof body.detail === 'string') return body.detail
    if ('title' in body && typeof body.title === 'string') return body.title
    return ''
  } catch {
    return ''
  }
}

/** What the server says of it, to stand behind our own words. */
function reason(detail: string): string {
  return detail === '' ? '' : ` (${detail})`
}

/** A failure in words: what happened. */
export function wordsOf(failure: Failure): string {
  switch (failure.kind) {
    case 'no-token':
      return t('failure.noToken')
    case 'no-tenant':
      return t('failure.noTenant')
    case 'unreadable-token':
      return t('failure.unreadableToken')
    case 'refused-token':
      return t('failure.refusedToken', { why: reason(failure.detail) })
    case 'not-allowed':
      return t('failure.notAllowed', { why: reason(failure.detail) })
    case 'not-found':
      return t('failure.notFound', { why: reason(failure.detail) })
    case 'unreachable':
      return t('failure.unreachable')
    case 'not-understood':
      return t('failure.notUnderstood', { why: reason(failure.detail) })
    case 'server':
      return t('failure.server', { status: failure.status, why: reason(failure.detail) })
    default:
      return assertNever(failure)
  }
}

/** What to do about it. */
export function adviceOf(failure: Failure): string {
  switch (failure.kind) {
    case 'no-token':
    case 'unreadable-token':
    case 'refused-token':
      return t('advice.newLink')
    case 'no-tenant':
      return t('advice.tenant')
    case 'not-allowed':
      return t('advice.otherToken')
    case 'not-found':
      return t('advice.notFound')
    case 'not-understood':
      return t('advice.reload')
    case 'unreachable':
    case 'server':
      return t('advice.wait')
    default:
      return assertNever(failure)
  }
}
