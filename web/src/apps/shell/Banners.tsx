import { useEffect, useSyncExternalStore, type ReactElement } from 'react'
import { roughDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { onReached, unreachableSince } from '../../lib/reached'
import { refreshAccount, type AccountState } from '../../live/account'
import { buttonClass, Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import { WallClock } from '../../ui/WallClock'
import type { Application } from './applications'
import styles from './Banners.module.css'

const TRY_AGAIN_MS = 5_000

export type BannersProps = { readonly account: AccountState; readonly application: Application }

/** What hinders every page: the server does not answer, the session is over. What was typed stays where it is. */
export function Banners({ account, application }: BannersProps): ReactElement | null {
  const since = useSyncExternalStore(onReached, unreachableSince)
  useEffect(() => {
    if (since === undefined) return
    // The server answers as soon as it says who has signed in, whatever it says; then all that has failed is asked again.
    const tryAgain = (): void => void refreshAccount('page')
    const timer = setInterval(tryAgain, TRY_AGAIN_MS)
    addEventListener('online', tryAgain)
    return () => {
      clearInterval(timer)
      removeEventListener('online', tryAgain)
    }
  }, [since])
  // The desktop says itself what it does not hear, and what of it still holds.
  if (since !== undefined && application.name !== 'desktop') {
    return (
      <section aria-label={t('banner.label')} className={styles['banner']} data-banner="unreachable">
        <Glyph name="warning" className={styles['sign']} />
        <p role="alert">
          {t('banner.unreachable')} {navigator.onLine ? '' : t('banner.noNetwork')}
        </p>
        <p>
          <WallClock text={(now) => t('banner.since', { age: roughDuration(now - since) })} />
        </p>
        <Button onClick={() => void refreshAccount()}>{t('connection.retry')}</Button>
      </section>
    )
  }
  if (account.kind === 'other') return <Other account={account} to={application.to} />
  if (account.kind !== 'ended') return null
  return (
    <section aria-label={t('banner.label')} className={styles['banner']} data-banner="ended">
      <Glyph name="warning" className={styles['sign']} />
      <p role="alert">{t('banner.ended', { name: account.account.name })}</p>
      <a className={buttonClass('main')} href={apiPaths.signIn(application.to)} target="_blank" rel="noreferrer">
        {t('banner.signInAgain')}
      </a>
    </section>
  )
}

/** Another person has signed in in this browser: what was typed is not theirs, and is not saved in their name. */
function Other({ account: { account, now }, to }: { readonly account: Extract<AccountState, { kind: 'other' }>; readonly to: string }): ReactElement {
  return (
    <section aria-label={t('banner.label')} className={styles['banner']} data-banner="other">
      <Glyph name="warning" className={styles['sign']} />
      <p role="alert">{t('banner.other', { now: now.name, name: account.name })}</p>
      <Button onClick={() => location.reload()}>{t('banner.goOnAs', { name: now.name })}</Button>
      <a className={buttonClass('main')} href={apiPaths.signIn(to)} target="_blank" rel="noreferrer">
        {t('banner.signInAs', { name: account.name })}
      </a>
    </section>
  )
}
