import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { Step, Trace } from './model'
import { Offset } from './Offset'
import styles from './Steps.module.css'

const KINDS = ['application', 'event', 'state', 'left', 'action', 'log', 'error', 'end'] as const

export type ApplicationProps = { readonly application: Trace['application']; readonly beganAt: number }

/** What the routing application did, step by step. */
export function Application({ application, beganAt }: ApplicationProps): ReactElement {
  if (application === undefined || application === null || application.steps.length === 0) return <p>{t('trace.noApplication')}</p>
  return (
    <>
      <p className={styles['quiet']}>{application.name}</p>
      <ol className={styles['steps']}>
        {application.steps.map((step, index) => (
          <li key={index} className={`${styles['step']} ${step.step === 'error' ? styles['error'] : ''}`}>
            <Offset at={step.at} beganAt={beganAt} />
            <p>
              <span className={styles['kind']}>{kindOf(step)}</span> <b>{step.name ?? ''}</b> {step.text ?? ''}
              {step.line === null || step.line === undefined ? null : <span className={styles['quiet']}> {t('trace.line', { line: step.line })}</span>}
            </p>
          </li>
        ))}
      </ol>
    </>
  )
}

/** A kind that this page does not know yet stands as the server names it. */
function kindOf({ step }: Step): string {
  const known = KINDS.find((kind) => kind === step)
  return known === undefined ? step : t(`trace.stepKind.${known}`)
}
