import { useEffect, useSyncExternalStore, type ReactElement } from 'react'
import { roughDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { onReached, tellReached, unreachableSince } from '../../lib/reached'
import { refreshAccount, type AccountState } from '../../live/account'
import { buttonClass, Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import { WallClock } from '../../ui/WallClock'
import styles from './Banners.module.css'

const TRY_AGAIN_MS = 5_000

export type BannersProps = { readonly account: AccountState }

/** What hinders every page: the server does not answer, the session is over. What was typed stays where it is. */
export function Banners({ account }: BannersProps): ReactElement | null {
  const since = useSyncExternalStore(onReached, unreachableSince)
  useEffect(() => {
    if (since === undefined) return
    const timer = setInterval(() => void tryAgain(), TRY_AGAIN_MS)
    addEventListener('online', tryAgain)
    return () => {
      clearInterval(timer)
      removeEventListener('online', tryAgain)
    }
  }, [since])
  if (since !== undefined) {
    return (
      <section aria-label={t('banner.label')} className={styles['banner']} data-banner="unreachable">
        <Glyph name="warning" className={styles['sign']} />
        <p role="alert">
          {t('banner.unreachable')} {navigator.onLine ? '' : t('banner.noNetwork')}
        </p>
        <p>
          <WallClock text={(now) => t('banner.since', { age: roughDuration(now - since) })} />
        </p>
        <Button onClick={() => void tryAgain()}>{t('connection.retry')}</Button>
      </section>
    )
  }
  if (account.kind !== 'ended') return null
  return (
    <section aria-label={t('banner.label')} className={styles['banner']} data-banner="ended">
      <Glyph name="warning" className={styles['sign']} />
      <p role="alert">{t('banner.ended', { name: account.account.name })}</p>
      <a className={buttonClass('main')} href={apiPaths.signIn('/agent-setup')} target="_blank" rel="noreferrer">
        {t('banner.signInAgain')}
      </a>
    </section>
  )
}

/** The server answers as soon as it says who has signed in, whatever it says. */
async function tryAgain(): Promise<void> {
  try {
    await fetch(apiPaths.session(), { cache: 'no-store', signal: AbortSignal.timeout(TRY_AGAIN_MS) })
    tellReached()
    await refreshAccount()
  } catch {
    // The banner stays.
  }
}
