import { useCallback, type ReactElement } from 'react'
import { adviceOf, wordsOf } from '../../api/errors'
import type { Connection } from '../../live/stream'
import { roughDuration, timeOfDay } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { serverTime } from '../../lib/ticker'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import { WallClock } from './WallClock'
import styles from './ConnectionBanner.module.css'

export type ConnectionBannerProps = {
  readonly connection: Extract<Connection, { kind: 'lost' | 'refused' }>
  /** The moment of the numbers on the page. */
  readonly at: number | undefined
  readonly onRetry: () => void
}

/** Stays as long as the connection is lost, with the age of what the page shows. */
export function ConnectionBanner({ connection, at, onRetry }: ConnectionBannerProps): ReactElement {
  const age = useCallback(
    (now: number) => (at === undefined ? messages.connection.lostNothing : messages.connection.lostAge(timeOfDay(at), roughDuration(serverTime(now) - at))),
    [at],
  )
  const retryAt = connection.kind === 'lost' ? connection.retryAt : undefined
  const retry = useCallback(
    (now: number) => {
      const pause = (retryAt ?? now) - now
      return pause >= 1_000 ? messages.connection.retryIn(roughDuration(pause)) : messages.connection.retrying
    },
    [retryAt],
  )
  return (
    <div className={styles['banner']}>
      <Glyph name="warning" className={styles['sign']} />
      <p role="alert" className={styles['what']}>
        {connection.kind === 'lost' ? messages.connection.lost : messages.connection.refused} {wordsOf(connection.failure)}
      </p>
      <p className={styles['age']}>
        <WallClock text={age} />
      </p>
      {connection.kind === 'lost' ? (
        <p className={styles['next']}>
          <WallClock text={retry} />
          <Button onClick={onRetry}>{messages.connection.retry}</Button>
        </p>
      ) : (
        <p>{adviceOf(connection.failure)}</p>
      )}
    </div>
  )
}
