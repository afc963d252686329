import { Component, lazy, Suspense, useState, type ReactElement, type ReactNode } from 'react'
import type { Failure } from '../../api/errors'
import { currentSession, signIn, whyNoTenant, type Given, type Session } from '../../api/session'
import { SignIn } from '../../features/sign-in/SignIn'
import { Wallboard } from '../../features/wallboard/Wallboard'
import { assertNever } from '../../lib/assert-never'
import { messages } from '../../lib/messages'
import { paths, type Page } from '../../lib/paths'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { Header } from './Header'
import { usePage } from './use-page'
import styles from './App.module.css'

const Topology = lazy(async () => ({ default: (await import('../../features/topology/Topology')).Topology }))
const Traces = lazy(async () => ({ default: (await import('../../features/trace/Traces')).Traces }))
const Trace = lazy(async () => ({ default: (await import('../../features/trace/Trace')).Trace }))

/** The frame around every page, and which page is in it. */
export function App(): ReactElement {
  const page = usePage()
  const [session, setSession] = useState(() => currentSession(sessionStorage))
  const onToken = ({ token, tenant }: Given): void => {
    signIn(token, tenant, sessionStorage)
    setSession(currentSession(sessionStorage))
  }
  const refused = (failure: Failure): ReactElement => <SignIn key={failure.kind} failure={failure} token={failure.kind === 'no-tenant' ? session?.token : undefined} onToken={onToken} />
  return (
    <div className={page.kind === 'wallboard' ? styles['wall'] : styles['app']}>
      <a className={styles['skip']} href="#content">
        {messages.skipToContent}
      </a>
      <Header page={page} />
      <main id="content" className={styles['content']} tabIndex={-1}>
        <Boundary key={page.kind}>
          <Suspense fallback={<p className={styles['loading']}>{messages.loading}</p>}>
            {session === undefined ? refused({ kind: 'no-token' }) : shown(page, session, refused)}
          </Suspense>
        </Boundary>
      </main>
    </div>
  )
}

function shown(page: Page, session: Session, onRefused: (failure: Failure) => ReactElement): ReactElement {
  switch (page.kind) {
    case 'wallboard':
      if (session.tenant === '') return onRefused(whyNoTenant(session))
      return <Wallboard session={session} onRefused={onRefused} />
    case 'topology':
      return <Topology session={session} onRefused={onRefused} />
    case 'traces':
      if (session.tenant === '') return onRefused(whyNoTenant(session))
      return <Traces session={session} onRefused={onRefused} />
    case 'trace':
      if (session.tenant === '') return onRefused(whyNoTenant(session))
      return <Trace key={page.call} session={session} call={page.call} onRefused={onRefused} />
    case 'unknown':
      return (
        <>
          <PageTitle title={messages.unknownPageTitle} />
          <Notice tone="warning" title={messages.unknownPage(page.path)}>
            <a href={paths.wallboard()}>{messages.toWallboard}</a>
          </Notice>
        </>
      )
    default:
      return assertNever(page)
  }
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
        <PageTitle title={messages.pageFailedTitle} />
        <Notice tone="bad" title={messages.pageFailed}>
          <Button onClick={() => location.reload()}>{messages.reload}</Button>
        </Notice>
      </>
    )
  }
}
