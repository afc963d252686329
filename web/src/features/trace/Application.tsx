import type { ReactElement } from 'react'
import { messages } from '../../lib/messages'
import type { Step, Trace } from './model'
import { Offset } from './Offset'
import styles from './Steps.module.css'

const text = messages.trace

export type ApplicationProps = { readonly application: Trace['application']; readonly beganAt: number }

/** What the routing application did, step by step. */
export function Application({ application, beganAt }: ApplicationProps): ReactElement {
  if (application === undefined || application === null || application.steps.length === 0) return <p>{text.noApplication}</p>
  return (
    <>
      <p className={styles['quiet']}>{application.name}</p>
      <ol className={styles['steps']}>
        {application.steps.map((step, index) => (
          <li key={index} className={`${styles['step']} ${step.step === 'error' ? styles['error'] : ''}`}>
            <Offset at={step.at} beganAt={beganAt} />
            <p>
              <span className={styles['kind']}>{kindOf(step)}</span> <b>{step.name ?? ''}</b> {step.text ?? ''}
              {step.line === null || step.line === undefined ? null : <span className={styles['quiet']}> {text.line(step.line)}</span>}
            </p>
          </li>
        ))}
      </ol>
    </>
  )
}

function kindOf(step: Step): string {
  const words: Readonly<Record<string, string>> = text.stepKind
  return words[step.step] ?? step.step
}
