/** The frame of Agent Setup and its lists: what is loaded first. */

import { getRouteApi, Navigate, Outlet, useLocation } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import { wordsOf, type Failure } from '../../api/errors'
import { ObjectList } from '../../features/agent-setup/ObjectList'
import { mayChange } from '../../features/agent-setup/may-make'
import { BESIDE, SectionNav } from '../../features/agent-setup/SectionNav'
import { sectionAt } from '../../features/agent-setup/sections'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { refreshAccount, useAccount } from '../../live/account'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { AGENT_SETUP } from '../shell/applications'
import { UnknownPage } from '../shell/Shell'
import { given } from './given'
import { TenantContext, useTenant } from './tenant'
import styles from './pages.module.css'

/** The frame of Agent Setup: for people who have signed in and change the configuration, or read it. */
export function AgentSetup(): ReactElement {
  const account = useAccount()
  if (account.kind === 'asking') return <p className={styles['alone']}>{t('loading')}</p>
  if (account.kind === 'unknown') return <Unknown failure={account.failure} />
  if (account.kind === 'out') return <SignedOut />
  const { tenant, name, privileges } = account.account
  if (!AGENT_SETUP.privileges.some((one) => privileges.includes(one))) {
    return (
      <>
        <PageTitle title={t('apps.agentSetup')} />
        <Notice tone="warning" title={t('setup.notAllowed', { name })}>
          <p>{t('setup.notAllowedWhat')}</p>
        </Notice>
      </>
    )
  }
  return (
    <TenantContext value={tenant}>
      <div className={styles['frame']}>
        <SectionNav />
        <div id={BESIDE} tabIndex={-1} className={styles['page']}>
          {mayChange(account) ? null : <p role="note">{t('setup.readOnly')}</p>}
          <Outlet />
        </div>
      </div>
    </TenantContext>
  )
}

/** Whether somebody has signed in cannot be learnt: signing in anew would not help. */
function Unknown({ failure }: { readonly failure: Failure }): ReactElement {
  return (
    <>
      <PageTitle title={t('apps.agentSetup')} />
      <Notice tone="bad" title={wordsOf(failure)}>
        <p>{t('setup.signIn.unknown')}</p>
        <Button onClick={() => void refreshAccount()}>{t('connection.retry')}</Button>
      </Notice>
    </>
  )
}

function SignedOut(): ReactElement {
  const { pathname, searchStr } = useLocation()
  return (
    <>
      <PageTitle title={t('apps.agentSetup')} />
      <Notice tone="plain" title={t('session.signIn')}>
        <p>{t('setup.signIn.why')}</p>
        <p>
          <a className={buttonClass('main')} href={apiPaths.signIn(pathname + searchStr)}>
            {t('session.signIn')}
          </a>
        </p>
      </Notice>
    </>
  )
}

export function StartPage(): ReactElement {
  return <Navigate to="/agent-setup/$section" params={{ section: 'people' }} replace />
}

const listRoute = getRouteApi('/agent-setup/$section')

export function ListPage(): ReactElement {
  const tenant = useTenant()
  const { section: path } = listRoute.useParams()
  const { q = '', skill = '', disabled = '' } = listRoute.useSearch()
  const navigate = listRoute.useNavigate()
  const section = sectionAt(path)
  if (section === undefined) return <UnknownPage />
  return (
    <ObjectList
      key={path}
      tenant={tenant}
      section={section}
      filter={{ q, skill, disabled }}
      onFilter={(filter) => void navigate({ search: given(filter), replace: true, resetScroll: false })}
      onNew={() => void navigate({ to: '/agent-setup/new/$section', params: { section: path } })}
    />
  )
}
