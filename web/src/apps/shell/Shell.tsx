import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore, type ReactElement } from 'react'
import { currentSession } from '../../api/session'
import { besideNow, onBeside } from '../../lib/beside'
import { t } from '../../lib/i18n'
import { listenToKeys } from '../../lib/shortcuts'
import { useAccount } from '../../live/account'
import { Notice } from '../../ui/Notice'
import { HEADING, PageTitle } from '../../ui/PageTitle'
import { Toast } from '../../ui/Toast'
import { unsay } from '../../ui/toast'
import { useShortcut } from '../../ui/use-shortcut'
import { APPLICATIONS, applicationAt, offersTopology, offersTraces, othersFor, type Application } from './applications'
import { Banners } from './Banners'
import { Boundary } from './Boundary'
import { Header } from './Header'
import styles from './Shell.module.css'

const ShortcutSheet = lazy(async () => ({ default: (await import('./ShortcutSheet')).ShortcutSheet }))

/** The frame around every page of every application. */
export function Shell(): ReactElement {
  const { pathname } = useLocation()
  const isWall = pathname === '/'
  const account = useAccount()
  const application = applicationAt(pathname)
  const hasToken = currentSession(sessionStorage) !== undefined
  const others = othersFor(account, application, hasToken)
  const Beside = useSyncExternalStore(onBeside, besideNow)
  const [isSheetOpen, setSheetOpen] = useState(false)
  useEffect(listenToKeys, [])
  useShortcut('?', t('shortcuts.sheet'), () => setSheetOpen(true))
  useGoTo(others.some(({ name }) => name === 'dashboards') || application.name === 'dashboards', 'dashboards', 'g d')
  useGoTo(others.some(({ name }) => name === 'agent-setup'), 'agent-setup', 'g a')
  useGoTo(others.some(({ name }) => name === 'desktop'), 'desktop', 'g w')
  const main = useFocusOnNewPage(pathname)
  return (
    <div className={isWall ? styles['wall'] : styles['app']}>
      <a className={styles['skip']} href="#content">
        {t('skipToContent')}
      </a>
      <Header isWall={isWall} application={application} hasTopology={offersTopology(account, hasToken)} hasTraces={offersTraces(account, hasToken)} others={others} account={account} onSheet={() => setSheetOpen(true)} />
      {application.name === 'dashboards' ? null : <Banners account={account} application={application} />}
      {Beside === undefined || application.name === 'desktop' ? null : <Beside />}
      <main ref={main} id="content" className={styles['content']} tabIndex={-1} aria-labelledby={HEADING}>
        <Boundary key={pathname}>
          <Suspense fallback={<p className={styles['loading']}>{t('loading')}</p>}>
            <Outlet />
          </Suspense>
        </Boundary>
      </main>
      <Toast />
      {isSheetOpen ? (
        <Suspense fallback={null}>
          <ShortcutSheet onClose={() => setSheetOpen(false)} />
        </Suspense>
      ) : null}
    </div>
  )
}

/** Whoever goes to another page by keyboard or hears the page begins at its content, not at where the link was. */
function useFocusOnNewPage(pathname: string): React.RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null)
  const last = useRef(pathname)
  useEffect(() => {
    if (last.current === pathname) return
    last.current = pathname
    unsay()
    main.current?.focus({ preventScroll: true })
  }, [pathname])
  return main
}

function useGoTo(isThere: boolean, name: Application['name'], keys: string): void {
  const navigate = useNavigate()
  const application = APPLICATIONS.find((one) => one.name === name)
  useShortcut(isThere ? keys : '', t('shortcuts.goTo', { page: application === undefined ? '' : t(application.text) }), () => {
    if (application !== undefined) void navigate({ to: application.to })
  })
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
