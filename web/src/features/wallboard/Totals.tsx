import type { CSSProperties, ReactElement, ReactNode } from 'react'
import { clockDuration, timeOfMinute } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { count, percent } from '../../lib/numbers'
import { useSecond } from '../../ui/use-second'
import { LevelMark } from './LevelMark'
import type { Numbers, Queue } from './model'
import { serviceLevelLevel, totalWaitLevel, type Level } from './rules'
import { widthInEm } from './width'
import styles from './Totals.module.css'

export type TotalsProps = { readonly totals: Numbers; readonly queues: readonly Queue[]; readonly countsSince: number }

/** The numbers of all queues, as large as the wall allows. */
export function Totals({ totals, queues, countsSince }: TotalsProps): ReactElement {
  const now = useSecond()
  const wait = totalWaitLevel(totals, queues, now)
  const service = serviceLevelLevel(totals)
  return (
    <section className={styles['totals']} aria-label={t('wallboard.totals')}>
      <Total label={t('wallboard.callsWaiting')} value={count(totals.waiting)} level="none" name="waiting" />
      <Total
        label={t('wallboard.longestWait')}
        value={totals.longestWaitSince === null ? '–' : clockDuration(now - totals.longestWaitSince)}
        level={wait}
        name="longest-wait"
        note={totals.longestWaitSince === null ? t('wallboard.nobodyWaits') : <LevelMark level={wait} of="waitLevel" />}
      />
      <Total
        label={t('wallboard.serviceLevel')}
        value={percent(totals.serviceLevel)}
        unit={totals.serviceLevel === null ? '' : '%'}
        level={service}
        name="service-level"
        note={
          <>
            {service === 'none' ? <span>{t('wallboard.noCallsYet')}</span> : <LevelMark level={service} of="level" />}
            {totals.serviceLevelThreshold === null ? null : <span>{t('wallboard.serviceLevelWithin', { seconds: totals.serviceLevelThreshold })}</span>}
          </>
        }
      />
      <Total label={t('wallboard.answered')} value={count(totals.answered)} level="none" name="answered" note={<Entered totals={totals} countsSince={countsSince} />} />
      <Total
        label={t('wallboard.abandoned')}
        value={count(totals.abandoned)}
        level="none"
        name="abandoned"
        note={totals.shortAbandoned > 0 ? t('wallboard.shortAbandoned', { short: totals.shortAbandoned }) : null}
      />
      <Total
        label={t('wallboard.averageAnswer')}
        value={totals.averageSpeedOfAnswerMs === null ? '–' : clockDuration(totals.averageSpeedOfAnswerMs)}
        level="none"
        name="average-answer"
        note={t('wallboard.averageAnswerNote')}
      />
    </section>
  )
}

function Entered({ totals, countsSince }: { readonly totals: Numbers; readonly countsSince: number }): ReactElement {
  return (
    <>
      <span>{t('wallboard.ofEntered', { entered: totals.entered })}</span>
      <span>{t('wallboard.countedSince', { time: timeOfMinute(countsSince) })}</span>
    </>
  )
}

type TotalProps = {
  readonly label: string
  readonly value: string
  readonly unit?: string
  readonly level: Level
  readonly name: string
  readonly note?: ReactNode
}

function Total({ label, value, unit = '', level, name, note }: TotalProps): ReactElement {
  return (
    <div className={`${styles['total']} ${styles[level]}`}>
      <h2 className={styles['label']}>{label}</h2>
      <p className={styles['value']} style={{ '--em': widthInEm(value, unit) } as CSSProperties} data-number={name}>
        {value}
        <span className={styles['unit']}>{unit}</span>
      </p>
      <p className={styles['note']}>{note}</p>
    </div>
  )
}
