/** The agent's desktop, for whom it is. */

import type { ReactElement } from 'react'
import { wordsOf } from '../../api/errors'
import { Desktop } from '../../features/desktop/Desktop'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { refreshAccount, useAccount } from '../../live/account'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { DESKTOP } from '../shell/applications'

export function DesktopPage(): ReactElement {
  const account = useAccount()
  if (account.kind === 'asking') return <p>{t('loading')}</p>
  if (!('account' in account)) return <Nobody failure={account.kind === 'unknown' ? wordsOf(account.failure) : ''} />
  const { tenant, user, name, privileges } = account.account
  // Another person's desk is another one.
  if (DESKTOP.privileges.some((one) => privileges.includes(one))) return <Desktop key={`${tenant} ${user}`} />
  return (
    <>
      <PageTitle title={t('apps.desktop')} />
      <Notice tone="warning" title={t('desk.notAllowed', { name })}>
        <p>{t('desk.notAllowedWhat')}</p>
      </Notice>
    </>
  )
}

/** Nobody has signed in, or that cannot be learnt. */
function Nobody({ failure }: { readonly failure: string }): ReactElement {
  return (
    <>
      <PageTitle title={t('apps.desktop')} />
      {failure === '' ? (
        <Notice tone="plain" title={t('session.signIn')}>
          <p>{t('desk.signIn.why')}</p>
          <p>
            {/* No page lets itself be signed in at in a frame: a tab of its own does it, and this one goes on when it is looked at. */}
            <a className={buttonClass('main')} href={apiPaths.signIn(DESKTOP.to)} {...(window.parent === window ? {} : { target: '_blank', rel: 'noopener' })}>
              {t('session.signIn')}
            </a>
          </p>
        </Notice>
      ) : (
        <Notice tone="bad" title={failure}>
          <p>{t('desk.signIn.unknown')}</p>
          <Button onClick={() => void refreshAccount()}>{t('connection.retry')}</Button>
        </Notice>
      )}
    </>
  )
}
