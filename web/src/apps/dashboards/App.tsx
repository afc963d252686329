import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { Component, Suspense, useCallback, useMemo, useState, type ReactElement, type ReactNode } from 'react'
import type { Failure } from '../../api/errors'
import { currentSession, signIn, type Given } from '../../api/session'
import { SignIn } from '../../features/sign-in/SignIn'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { Header } from './Header'
import { SignedInContext } from './signed-in'
import styles from './App.module.css'

/** The frame around every page. */
export function App(): ReactElement {
  const { pathname } = useLocation()
  const isWall = pathname === '/'
  const [session, setSession] = useState(() => currentSession(sessionStorage))
  const onToken = useCallback(({ token, tenant }: Given): void => {
    signIn(token, tenant, sessionStorage)
    setSession(currentSession(sessionStorage))
  }, [])
  const onRefused = useCallback(
    (failure: Failure): ReactElement => <SignIn key={failure.kind} failure={failure} token={failure.kind === 'no-tenant' ? session?.token : undefined} onToken={onToken} />,
    [session, onToken],
  )
  const signedIn = useMemo(() => (session === undefined ? undefined : { session, onRefused }), [session, onRefused])
  return (
    <div className={isWall ? styles['wall'] : styles['app']}>
      <a className={styles['skip']} href="#content">
        {t('skipToContent')}
      </a>
      <Header isWall={isWall} />
      <main id="content" className={styles['content']} tabIndex={-1}>
        <Boundary key={pathname}>
          <Suspense fallback={<p className={styles['loading']}>{t('loading')}</p>}>
            {signedIn === undefined ? (
              onRefused({ kind: 'no-token' })
            ) : (
              <SignedInContext value={signedIn}>
                <Outlet />
              </SignedInContext>
            )}
          </Suspense>
        </Boundary>
      </main>
    </div>
  )
}

/** What stands where no page is. */
export function UnknownPage(): ReactElement {
  const { pathname } = useLocation()
  return (
    <>
      <PageTitle title={t('unknownPageTitle')} />
      <Notice tone="warning" title={t('unknownPage', { path: pathname })}>
        <Link to="/">{t('toWallboard')}</Link>
      </Notice>
    </>
  )
}

type BoundaryProps = { readonly children: ReactNode }
type BoundaryState = { readonly failed: boolean }

/** One page's own error does not take the frame with it. */
class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { failed: false }
  static getDerivedStateFromError(): BoundaryState {
    return { failed: true }
  }
  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return (
      <>
        <PageTitle title={t('pageFailedTitle')} />
        <Notice tone="bad" title={t('pageFailed')}>
          <Button onClick={() => location.reload()}>{t('reload')}</Button>
        </Notice>
      </>
    )
  }
}
