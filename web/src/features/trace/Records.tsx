import type { ReactElement, ReactNode } from 'react'
import { t } from '../../lib/i18n'
import { fieldsOf, zeroOf, type Request, type Trace } from './model'
import { Offset } from './Offset'
import styles from './Steps.module.css'
import frame from './Trace.module.css'

export type RecordsProps = { readonly trace: Trace }

/** The call's events, the requests about it and what the roles noted. */
export function Records({ trace }: RecordsProps): ReactElement {
  const beganAt = zeroOf(trace)
  return (
    <>
      <Section title={t('trace.events')}>
        {trace.events.map((event, index) => (
          <Row key={index} at={event.at} beganAt={beganAt}>
            <b>{event.name}</b> <span className={styles['quiet']}>{fieldsOf(event)}</span>
          </Row>
        ))}
      </Section>
      <div className={frame['pair']}>
        <Section title={t('trace.requests')}>
          {(trace.requests ?? []).map((request, index) => (
            <Row key={index} at={request.at} beganAt={beganAt}>
              <b>{request.name}</b> <span className={styles['quiet']}>{requestOf(request)}</span>
            </Row>
          ))}
        </Section>
        <Section title={t('trace.notes')}>
          {(trace.notes ?? []).map((note, index) => (
            <Row key={index} at={note.at} beganAt={beganAt}>
              <span className={styles['quiet']}>{note.node}</span> {note.text}
            </Row>
          ))}
        </Section>
      </div>
    </>
  )
}

function Section({ title, children }: { readonly title: string; readonly children: readonly ReactNode[] }): ReactElement {
  return (
    <section className={frame['section']}>
      <h2>{title}</h2>
      {children.length === 0 ? <p className={styles['quiet']}>{t('trace.none')}</p> : <ol className={styles['steps']}>{children}</ol>}
    </section>
  )
}

function requestOf({ requester, outcome }: Request): string {
  return outcome === null || outcome === undefined || outcome === '' ? t('trace.request', { requester }) : t('trace.requestOutcome', { requester, outcome })
}

type RowProps = { readonly at: number; readonly beganAt: number; readonly children: ReactNode }

function Row({ at, beganAt, children }: RowProps): ReactElement {
  return (
    <li className={styles['step']}>
      <Offset at={at} beganAt={beganAt} />
      <p>{children}</p>
    </li>
  )
}
