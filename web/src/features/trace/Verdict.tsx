import type { ReactElement, ReactNode } from 'react'
import { dateAndTime, preciseDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Since } from '../../ui/Since'
import { SeverityMark } from './SeverityMark'
import { zeroOf, type Trace } from './model'
import styles from './Verdict.module.css'

export type VerdictProps = { readonly trace: Trace }

/** The call in words, and what was wrong with it. */
export function Verdict({ trace }: VerdictProps): ReactElement {
  const { call, verdict } = trace
  const worst = (['fault', 'warning'] as const).find((severity) => verdict.findings.some((finding) => finding.severity === severity)) ?? 'info'
  return (
    <section className={`${styles['verdict']} ${styles[worst]}`} aria-label={t('trace.verdict')}>
      <div className={styles['words']}>
        {verdict.summary.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
      {verdict.findings.length === 0 ? (
        <p className={styles['finding']}>
          <SeverityMark severity="info" /> {t('trace.nothingWrong')}
        </p>
      ) : (
        <ul className={styles['findings']}>
          {verdict.findings.map((finding) => (
            <li key={finding.text} className={styles['finding']}>
              <SeverityMark severity={finding.severity} />
              <span>{finding.text}</span>
            </li>
          ))}
        </ul>
      )}
      <dl className={styles['facts']}>
        <Fact name={t('trace.from')}>{call.from ?? '–'}</Fact>
        <Fact name={t('trace.to')}>{call.to ?? '–'}</Fact>
        {call.trunk === undefined || call.trunk === null ? null : <Fact name={t('trace.trunk')}>{call.trunk}</Fact>}
        <Fact name={t('trace.began')}>{dateAndTime(zeroOf(trace))}</Fact>
        <Fact name={t('trace.lasted')}>
          <Lasted beganAt={call.beganAt} endedAt={call.endedAt} />
        </Fact>
        <Fact name="ConnID">{call.printed === '' ? '–' : call.printed}</Fact>
        <Fact name="CallUUID">{call.uuid === '' ? '–' : call.uuid}</Fact>
        <Fact name="Call-ID">{call.callIds.join(', ')}</Fact>
      </dl>
      {[...(trace.missing ?? []), ...(trace.masked ? [t('trace.masked')] : [])].map((missing) => (
        <p key={missing} className={styles['missing']}>
          {missing}
        </p>
      ))}
    </section>
  )
}

function Lasted({ beganAt, endedAt }: { readonly beganAt: number | null; readonly endedAt: number | null }): ReactElement {
  if (beganAt === null) return <>{t('trace.neverBegan')}</>
  if (endedAt !== null) return <>{preciseDuration(endedAt - beganAt)}</>
  return (
    <>
      <Since since={beganAt} /> {t('trace.goesOn')}
    </>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactElement {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
