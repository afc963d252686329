import { Link, type LinkProps } from '@tanstack/react-router'
import { useCallback, type ReactElement } from 'react'
import { timeOfDay } from '../../lib/durations'
import { t } from '../../lib/i18n'
import type { AccountState } from '../../live/account'
import { PAGE_TITLE } from '../../ui/PageTitle'
import { Ticking } from '../../ui/Ticking'
import type { Application } from './applications'
import { UserMenu } from './UserMenu'
import styles from './Header.module.css'

export type HeaderProps = {
  /** The wallboard fills the screen. */
  readonly isWall: boolean
  readonly application: Application
  /** Whether it leads to the topology too. */
  readonly hasTopology: boolean
  /** Whether it leads to the traces too. */
  readonly hasTraces: boolean
  /** The other applications that this person may use. */
  readonly others: readonly Application[]
  readonly account: AccountState
  readonly onSheet: () => void
}

/** The line above every page: where one is, where one can go, who one is. */
export function Header({ isWall, application, hasTopology, hasTraces, others, account, onSheet }: HeaderProps): ReactElement {
  const clock = useCallback(() => timeOfDay(Date.now()), [])
  return (
    <header className={isWall ? `${styles['header']} ${styles['wall']}` : styles['header']}>
      <span className={styles['product']}>
        <img src="/icon.svg" alt="" width="28" height="28" />
        {t('product')}
      </span>
      <nav aria-label={t('pagesLabel')} className={styles['pages']}>
        {application.name === 'dashboards' ? (
          <>
            <PageLink to="/" text={t('pages.wallboard')} />
            {hasTopology ? <PageLink to="/topology" text={t('pages.topology')} /> : null}
            {hasTraces ? <PageLink to="/trace" text={t('pages.traces')} /> : null}
          </>
        ) : (
          <PageLink to={application.to} text={t(application.text)} />
        )}
        {others.map((other) => (
          <span key={other.name} className={styles['other']}>
            <PageLink to={other.to} text={t(other.text)} />
          </span>
        ))}
      </nav>
      <div id={PAGE_TITLE} className={styles['title']} />
      <UserMenu account={account} onSheet={onSheet} />
      {application.name === 'dashboards' ? <Ticking text={clock} className={styles['clock']} /> : null}
    </header>
  )
}

type PageLinkProps = { readonly to: NonNullable<LinkProps['to']>; readonly text: string }

/** A page within it, as one call's trace, counts as this page. */
function PageLink({ to, text }: PageLinkProps): ReactElement {
  return (
    <Link to={to} className={styles['page']} activeOptions={{ exact: to === '/', includeSearch: false }}>
      {text}
    </Link>
  )
}
