import { Outlet } from '@tanstack/react-router'
import { lazy, Suspense, useCallback, useMemo, useState, type ReactElement } from 'react'
import type { Failure } from '../../api/errors'
import { currentSession, signIn, type Given } from '../../api/session'
import { t } from '../../lib/i18n'
import { useAccount } from '../../live/account'
import { SignedInContext } from './signed-in'

/** Whoever has signed in, or has a link, does not load it. */
const SignIn = lazy(async () => ({ default: (await import('../../features/sign-in/SignIn')).SignIn }))

/** The dashboards, for who has a token in this tab or has signed in. */
export function Dashboards(): ReactElement {
  const [given, setGiven] = useState(() => currentSession(sessionStorage))
  const account = useAccount()
  // Nothing is typed here that would be somebody else's.
  const person = account.kind === 'other' ? account.now : account.kind === 'in' || account.kind === 'ended' ? account.account : undefined
  // A link's token shows what its link is about, whoever has signed in.
  const session = useMemo(() => given ?? (person === undefined ? undefined : { token: '', tenant: person.tenant }), [given, person])
  const onToken = useCallback((typed: Given): void => {
    // Few have a token to type.
    void import('../../api/link')
      .then(({ exchanged }) => exchanged(typed))
      .then(({ token, tenant }) => {
        signIn(token, tenant, sessionStorage)
        setGiven(currentSession(sessionStorage))
      })
  }, [])
  const onRefused = useCallback(
    (failure: Failure): ReactElement => (
      <Suspense fallback={<p>{t('loading')}</p>}>
        <SignIn key={failure.kind} failure={failure} token={failure.kind === 'no-tenant' ? session?.token : undefined} onToken={onToken} />
      </Suspense>
    ),
    [session, onToken],
  )
  const signedIn = useMemo(() => (session === undefined ? undefined : { session, onRefused }), [session, onRefused])
  if (signedIn !== undefined) {
    return (
      <SignedInContext value={signedIn}>
        <Outlet />
      </SignedInContext>
    )
  }
  if (account.kind === 'asking') return <p>{t('loading')}</p>
  return onRefused({ kind: 'no-token' })
}
