import type { ReactElement } from 'react'
import { roughDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { count } from '../../lib/numbers'
import { folded } from './folded'
import type { Candidate, Decision } from './model'
import { Offset } from './Offset'
import styles from './Steps.module.css'

export type RoutingProps = { readonly decisions: readonly Decision[]; readonly beganAt: number }

/** Why which agent was chosen, and why the others were not. */
export function Routing({ decisions, beganAt }: RoutingProps): ReactElement {
  if (decisions.length === 0) return <p>{t('trace.noRouting')}</p>
  return (
    <ol className={styles['steps']}>
      {decisions.map((decision, index) => (
        <li key={index} className={styles['step']}>
          <Offset at={decision.at} beganAt={beganAt} />
          <div>
            <p>{decision.text}</p>
            <p className={styles['quiet']}>
              {[decision.rule ?? '', decision.waiting === null || decision.waiting === undefined ? '' : t('trace.waitingCalls', { calls: count(decision.waiting) })].filter((part) => part !== '').join(' · ')}
            </p>
            <Candidates candidates={decision.candidates ?? []} more={decision.more ?? 0} />
          </div>
        </li>
      ))}
    </ol>
  )
}

function Candidates({ candidates, more }: { readonly candidates: readonly Candidate[]; readonly more: number }): ReactElement | null {
  if (candidates.length === 0) return null
  return (
    <ul className={styles['candidates']}>
      {folded(candidates).map((line) =>
        line.kind === 'one' ? (
          <One key={line.candidate.agent} candidate={line.candidate} />
        ) : (
          <li key={line.text}>
            <b>{count(line.agents.length)}</b> {t('trace.manyCandidates', { reason: line.text })} <span className={styles['quiet']}>{line.agents.join(', ')}</span>
          </li>
        ),
      )}
      {more > 0 ? <li className={styles['quiet']}>{t('trace.moreCandidates', { more: count(more) })}</li> : null}
    </ul>
  )
}

function One({ candidate }: { readonly candidate: Candidate }): ReactElement {
  const isPassedOver = candidate.passedOver !== null && candidate.passedOver !== undefined
  return (
    <li className={isPassedOver ? undefined : styles['chosen']}>
      <b>{candidate.agent}</b> {candidate.text}
      {candidate.idleMs === null || candidate.idleMs === undefined ? null : <span className={styles['quiet']}> {t('trace.idle', { time: roughDuration(candidate.idleMs) })}</span>}
    </li>
  )
}
