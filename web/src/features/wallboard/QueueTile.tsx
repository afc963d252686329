import { memo, type ReactElement } from 'react'
import { shortDuration } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { count, percent } from '../../lib/numbers'
import { useSecond } from '../../ui/use-second'
import { LevelMark } from './LevelMark'
import type { Queue } from './model'
import { serviceLevelLevel, waitLevel } from './rules'
import { Sparkline } from './Sparkline'
import styles from './QueueTile.module.css'

const text = messages.wallboard

export type QueueTileProps = { readonly queue: Queue; readonly size: 'large' | 'small' }

/** One queue: who waits and how long, its service level, its last half hour. */
export const QueueTile = memo(function QueueTile({ queue, size }: QueueTileProps): ReactElement {
  const now = useSecond()
  const wait = waitLevel(queue, now)
  const service = serviceLevelLevel(queue)
  return (
    <li className={`${styles['tile']} ${wait === 'none' ? '' : styles[wait]}`} data-queue={queue.id}>
      <h3 className={styles['name']}>
        <span>{queue.name}</span>
        <LevelMark level={wait === 'good' ? 'none' : wait} words={text.waitLevel} />
      </h3>
      <dl className={styles['numbers']}>
        <div className={styles['waiting']}>
          <dt>{text.waiting}</dt>
          <dd data-number="waiting">{count(queue.waiting)}</dd>
        </div>
        <div>
          <dt>{text.longestWait}</dt>
          <dd data-number="longest-wait">{queue.longestWaitSince === null ? '–' : shortDuration(now - queue.longestWaitSince)}</dd>
        </div>
        <div>
          <dt>{levelLabel(queue, size)}</dt>
          <dd className={styles['level']} data-number="service-level">
            {percent(queue.serviceLevel)}
            <span className={styles['unit']}>{queue.serviceLevel === null ? '' : '%'}</span>
            <span className={styles['sign']}>
              <LevelMark level={service} words={text.level} />
            </span>
          </dd>
        </div>
      </dl>
      <p className={styles['day']}>
        <span>
          <b data-number="answered">{count(queue.answered)}</b> {text.answered.toLowerCase()}
        </span>
        <span>
          <b data-number="abandoned">{count(queue.abandoned)}</b> {text.abandoned.toLowerCase()}
        </span>
      </p>
      <div className={styles['history']}>
        <Sparkline history={queue.history} />
      </div>
    </li>
  )
})

function levelLabel(queue: Queue, size: 'large' | 'small'): string {
  if (size === 'small') return text.serviceLevelShort
  return queue.serviceLevelThreshold === null ? text.serviceLevel : text.serviceLevelIn(queue.serviceLevelThreshold)
}
