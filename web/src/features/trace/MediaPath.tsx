import type { ReactElement } from 'react'
import { preciseDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { count, decimal } from '../../lib/numbers'
import { mosWord, type Flow, type Leg } from './model'
import { SeverityMark } from './SeverityMark'
import styles from './MediaPath.module.css'

export type MediaPathProps = { readonly legs: readonly Leg[]; readonly beganAt: number }

/** Each leg's audio: where it should come from, where it came from, how much and how good. */
export function MediaPath({ legs, beganAt }: MediaPathProps): ReactElement {
  if (legs.length === 0) return <p>{t('trace.noAudio')}</p>
  return (
    <ul className={styles['legs']}>
      {legs.map((leg) => (
        <li key={`${leg.node} ${leg.leg}`} className={`${styles['leg']} ${styles[leg.severity ?? 'info']}`}>
          <h3>{leg.caller ? t('trace.callerLeg', { party: leg.party }) : leg.party}</h3>
          <p className={styles['verdict']}>
            {leg.severity === null ? null : <SeverityMark severity={leg.severity} />} {leg.verdict}
          </p>
          <div className={styles['path']}>
            <dl className={styles['end']}>
              <Address name={t('trace.offered')} value={leg.offered} />
              <Address name={t('trace.learned')} value={leg.learned ?? t('trace.nothingLearned')} />
              <Address name={t('trace.signalling')} value={leg.signalling} />
            </dl>
            <div className={styles['flows']}>
              <FlowLine flow={leg.fromPhone} direction="from" />
              <FlowLine flow={leg.toPhone} direction="to" />
            </div>
            <dl className={styles['end']}>
              <Address name={leg.node} value={leg.local} />
              <Address name={t('trace.codec')} value={[leg.codec, leg.direction].filter((part) => part !== null && part !== undefined).join(', ')} />
              <Address name={t('trace.firstPacket')} value={leg.firstPacketAt === null ? t('trace.never') : t('trace.after', { pause: preciseDuration(leg.firstPacketAt - beganAt) })} />
              {leg.roundTripMs === null ? null : <Address name={t('trace.roundTrip')} value={preciseDuration(leg.roundTripMs)} />}
            </dl>
          </div>
          {leg.strangers > 0 || leg.invalid > 0 ? <p className={styles['odd']}>{t('trace.oddPackets', { strangers: count(leg.strangers), invalid: count(leg.invalid) })}</p> : null}
          {leg.measured ? null : <p className={styles['odd']}>{t('trace.notMeasured')}</p>}
        </li>
      ))}
    </ul>
  )
}

function Address({ name, value }: { readonly name: string; readonly value: string | null | undefined }): ReactElement | null {
  if (value === null || value === undefined || value === '') return null
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function FlowLine({ flow, direction }: { readonly flow: Flow; readonly direction: 'from' | 'to' }): ReactElement {
  const quality = [
    flow.lost === null ? '' : t('trace.lost', { lost: count(flow.lost), share: decimal(flow.lossPercent ?? 0, 2) }),
    flow.jitterMs === null ? '' : t('trace.jitter', { ms: decimal(flow.jitterMs, 1) }),
    flow.mos === null ? '' : t('trace.mos', { mos: flow.mos.toFixed(2), word: t(`trace.mosWord.${mosWord(flow.mos)}`) }),
  ].filter((part) => part !== '')
  return (
    <div className={`${styles['flow']} ${flow.packets === 0 ? styles['dry'] : ''}`} data-direction={direction}>
      <p>
        <b>{t('trace.packets', { packets: count(flow.packets) })}</b> {t(`trace.direction.${direction}`)}
      </p>
      <svg viewBox="0 0 200 12" className={styles['arrow']} preserveAspectRatio="none" aria-hidden="true">
        <path d={direction === 'from' ? 'M0 6H194M188 1L198 6L188 11' : 'M200 6H6M12 1L2 6L12 11'} vectorEffect="non-scaling-stroke" />
      </svg>
      <p className={styles['quality']}>{quality.join(' · ')}</p>
    </div>
  )
}
