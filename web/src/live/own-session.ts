/** For whom the page asks and tells: by a token that it was given, or by the cookie of who has signed in. */

import { currentSession, type Session } from '../api/session'
import { accountNow } from './account'

export function ownSession(): Session | undefined {
  const account = accountNow()
  return currentSession(sessionStorage) ?? (account.kind === 'in' ? { token: '', tenant: account.account.tenant } : undefined)
}
