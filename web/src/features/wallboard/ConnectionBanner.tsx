import type { ReactElement } from 'react'
import { adviceOf, wordsOf } from '../../api/errors'
import { roughDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import type { Connection } from '../../live/stream'
import { Banner } from '../../ui/Banner'
import { Button } from '../../ui/Button'
import { WallClock } from '../../ui/WallClock'

export type ConnectionBannerProps = {
  readonly connection: Extract<Connection, { kind: 'lost' | 'refused' }>
  /** The moment of the numbers on the page. */
  readonly at: number | undefined
  readonly onRetry: () => void
}

/** Says that the numbers are old, why, and what happens next. */
export function ConnectionBanner({ connection, at, onRetry }: ConnectionBannerProps): ReactElement {
  if (connection.kind === 'refused') {
    return (
      <Banner what={`${t('connection.refused')} ${wordsOf(connection.failure)}`} at={at}>
        {adviceOf(connection.failure)}
        <Button onClick={() => location.reload()}>{t('connection.otherToken')}</Button>
      </Banner>
    )
  }
  const { retryAt } = connection
  const next = (now: number): string => (retryAt - now >= 1_000 ? t('connection.retryIn', { pause: roughDuration(retryAt - now) }) : t('connection.retrying'))
  return (
    <Banner what={`${t('connection.lost')} ${wordsOf(connection.failure)}`} at={at}>
      <WallClock text={next} />
      <Button onClick={onRetry}>{t('connection.retry')}</Button>
    </Banner>
  )
}
