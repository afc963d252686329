import type { ReactElement, ReactNode } from 'react'
import { dateAndTime, preciseDuration } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { Since } from '../../ui/Since'
import { SeverityMark } from './SeverityMark'
import type { Trace } from './model'
import styles from './Verdict.module.css'

const text = messages.trace

export type VerdictProps = { readonly trace: Trace }

/** The call in words, and what was wrong with it. */
export function Verdict({ trace }: VerdictProps): ReactElement {
  const { call, verdict } = trace
  const worst = (['fault', 'warning'] as const).find((severity) => verdict.findings.some((finding) => finding.severity === severity)) ?? 'info'
  return (
    <section className={`${styles['verdict']} ${styles[worst]}`} aria-label={text.verdict}>
      <div className={styles['words']}>
        {verdict.summary.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
      {verdict.findings.length === 0 ? (
        <p className={styles['finding']}>
          <SeverityMark severity="info" /> {text.nothingWrong}
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
        <Fact name={text.from}>{call.from ?? '–'}</Fact>
        <Fact name={text.to}>{call.to ?? '–'}</Fact>
        {call.trunk === undefined || call.trunk === null ? null : <Fact name={text.trunk}>{call.trunk}</Fact>}
        <Fact name={text.began}>{dateAndTime(call.beganAt)}</Fact>
        <Fact name={text.lasted}>
          {call.endedAt === null ? (
            <>
              <Since since={call.beganAt} /> {text.goesOn}
            </>
          ) : (
            preciseDuration(call.endedAt - call.beganAt)
          )}
        </Fact>
        <Fact name="ConnID">{call.printed}</Fact>
        <Fact name="CallUUID">{call.uuid}</Fact>
        <Fact name="Call-ID">{call.callIds.join(', ')}</Fact>
      </dl>
      {[...(trace.missing ?? []), ...(trace.masked ? [text.masked] : [])].map((missing) => (
        <p key={missing} className={styles['missing']}>
          {missing}
        </p>
      ))}
    </section>
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
