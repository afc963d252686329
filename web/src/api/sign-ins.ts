/** What auth has noted of signing in, as Agent Setup shows it. */

import { setupPaths } from '../lib/paths'
import { ask, type Outcome, type Page } from './agent-setup'
import type { Read } from './agent-setup-answers'
import type { components } from './generated/agent-setup'
import { isSignInsShown } from './generated/sign-ins-checks'

type Shown = components['schemas']['ShownSignIn']

/** Something that has happened; `at` in milliseconds since 1970. What is not known is empty. */
export type SignIn = Omit<Shown, 'at'> & { readonly at: number }

/** What is looked at; empty for all. Times as RFC 3339 has them: not before `since`, before `until`. */
export type SignInFilter = { readonly person: string; readonly event: string; readonly since: string; readonly until: string }

/** So many at a time. */
const PAGE = 50

export const signInPage: Read<Page<SignIn>> = (value) => {
  if (!isSignInsShown(value)) return undefined
  const items = value.items.map((shown) => ({ ...shown, at: Date.parse(shown.at) }))
  return items.some(({ at }) => Number.isNaN(at)) ? undefined : { items, next: value.next_page_token }
}

/** The latest first. */
export function listSignIns(tenant: string, filter: SignInFilter, pageToken: string, signal?: AbortSignal): Promise<Outcome<Page<SignIn>>> {
  return ask(setupPaths.signIns(tenant, { ...filter, page_size: String(PAGE), page_token: pageToken }), signInPage, { signal })
}
