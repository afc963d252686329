import { memo, type CSSProperties, type ReactElement } from 'react'
import { shortDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { count, percent } from '../../lib/numbers'
import { useSecond } from '../../ui/use-second'
import { LevelMark } from './LevelMark'
import type { Queue } from './model'
import { serviceLevelLevel, waitLevel } from './rules'
import { Sparkline } from './Sparkline'
import { labelWidthInEm, widthInEm } from './width'
import styles from './QueueTile.module.css'

/** A column is as wide as its label at least: as two digits. */
const WAITING_LEAST_EM = 1.4

export type QueueTileProps = { readonly queue: Queue; readonly size: 'large' | 'small' }

/** One queue: who waits and how long, its service level, its last half hour. */
export const QueueTile = memo(function QueueTile({ queue, size }: QueueTileProps): ReactElement {
  const now = useSecond()
  const wait = waitLevel(queue, now)
  const service = serviceLevelLevel(queue)
  const waited = queue.longestWaitSince === null ? '–' : shortDuration(now - queue.longestWaitSince)
  const [level, unit] = [percent(queue.serviceLevel), queue.serviceLevel === null ? '' : '%']
  const labels = [size === 'small' ? t('wallboard.longestWaitShort') : t('wallboard.longestWait'), levelLabel(queue, size)] as const
  const widths = {
    '--waiting-em': Math.max(WAITING_LEAST_EM, widthInEm(count(queue.waiting), '')),
    '--others-em': widthInEm(waited, '') + widthInEm(level, unit),
    '--labels-em': labelWidthInEm(labels.join('')),
  }
  return (
    <li className={`${styles['tile']} ${wait === 'none' ? '' : styles[wait]}`} data-queue={queue.id}>
      <h3 className={styles['name']}>
        <span>{queue.name}</span>
        <LevelMark level={wait === 'good' ? 'none' : wait} of="waitLevel" />
      </h3>
      <dl className={styles['numbers']} style={widths as CSSProperties}>
        <div className={styles['waiting']}>
          <dt>{t('wallboard.waiting')}</dt>
          <dd data-number="waiting">{count(queue.waiting)}</dd>
        </div>
        <div>
          <dt>{labels[0]}</dt>
          <dd data-number="longest-wait">{waited}</dd>
        </div>
        <div className={styles['level']}>
          <dt>{labels[1]}</dt>
          <dd data-number="service-level">
            {level}
            <span className={styles['unit']}>{unit}</span>
            <span className={styles['sign']}>
              <LevelMark level={service} of="level" />
            </span>
          </dd>
        </div>
      </dl>
      <p className={styles['day']}>
        <span>
          <b data-number="answered">{count(queue.answered)}</b> {t('wallboard.areAnswered')}
        </span>
        <span>
          <b data-number="abandoned">{count(queue.abandoned)}</b> {t('wallboard.areAbandoned')}
        </span>
      </p>
      <div className={styles['history']}>
        <Sparkline history={queue.history} />
      </div>
    </li>
  )
})

function levelLabel(queue: Queue, size: 'large' | 'small'): string {
  if (size === 'small') return t('wallboard.serviceLevelShort')
  return queue.serviceLevelThreshold === null ? t('wallboard.serviceLevel') : t('wallboard.serviceLevelIn', { seconds: queue.serviceLevelThreshold })
}
