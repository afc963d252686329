import type { ReactElement, ReactNode } from 'react'
import { roughDuration, timeOfDay } from '../lib/durations'
import { t } from '../lib/i18n'
import { serverTime } from '../lib/ticker'
import { Glyph } from './state-glyphs'
import { WallClock } from './WallClock'
import styles from './Banner.module.css'

export type BannerProps = {
  readonly what: string
  /** The moment, by the server's clock, of what the page shows; undefined while it shows nothing. */
  readonly at: number | undefined
  readonly children?: ReactNode
}

/** Stays as long as what the page shows is old, with its age. */
export function Banner({ what, at, children }: BannerProps): ReactElement {
  const age = (now: number): string =>
    at === undefined ? t('connection.lostNothing') : t('connection.lostAge', { time: timeOfDay(at), age: roughDuration(serverTime(now) - at) })
  return (
    <div className={styles['banner']} data-banner="stale">
      <Glyph name="warning" className={styles['sign']} />
      <p role="alert" className={styles['what']}>
        {what}
      </p>
      <p className={styles['age']}>
        <WallClock text={age} />
      </p>
      <div className={styles['next']}>{children}</div>
    </div>
  )
}
