import { Link } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import { wordsOf, type Failure } from '../../api/errors'
import { isTrace } from '../../api/generated/operations-checks'
import type { Session } from '../../api/session'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { usePolled } from '../../live/use-polled'
import { Banner } from '../../ui/Banner'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { Application } from './Application'
import { Ladder } from './Ladder'
import { MediaPath } from './MediaPath'
import { nextLook, zeroOf, type Trace as Document } from './model'
import { Records } from './Records'
import { Routing } from './Routing'
import { Thread } from './Thread'
import { Verdict } from './Verdict'
import styles from './Trace.module.css'

export type TraceProps = {
  readonly session: Session
  /** ConnID, CallUUID or SIP Call-ID. */
  readonly call: string
  readonly onRefused: (failure: Failure) => ReactElement
}

/** What happened to one call, from the verdict down to the messages. */
export function Trace({ session, call, onRefused }: TraceProps): ReactElement {
  const polled = usePolled(session, apiPaths.trace(session.tenant, call), isTrace, nextLook)
  switch (polled.kind) {
    case 'refused':
      if (polled.failure.kind !== 'not-found') return onRefused(polled.failure)
      return (
        <>
          <PageTitle title={t('trace.title', { call })} />
          <Notice tone="warning" title={t('trace.unknownCall', { call })}>
            <p>{t('advice.notFound')}</p>
            <Link to="/trace">{t('trace.toRecent')}</Link>
          </Notice>
        </>
      )
    case 'loading':
      return <PageTitle title={t('trace.title', { call })} />
    case 'failing':
      return (
        <>
          <PageTitle title={t('trace.title', { call })} />
          <Notice tone="bad" title={wordsOf(polled.failure)}>
            <p>{t('advice.wait')}</p>
          </Notice>
        </>
      )
    case 'shown':
      return <Shown trace={polled.value} heardAt={polled.heardAt} failure={polled.failure} />
  }
}

type ShownProps = { readonly trace: Document; readonly heardAt: number; readonly failure: Failure | undefined }

function Shown({ trace, heardAt, failure }: ShownProps): ReactElement {
  const beganAt = zeroOf(trace)
  return (
    <div className={styles['page']}>
      <PageTitle title={t('trace.title', { call: trace.call.connId === '' ? (trace.call.callIds[0] ?? '') : trace.call.connId })} />
      {failure === undefined ? null : <Banner what={wordsOf(failure)} at={heardAt} />}
      <Verdict trace={trace} />
      <Thread turns={trace.thread ?? []} beganAt={beganAt} />
      <section className={styles['section']}>
        <h2>{t('trace.audio')}</h2>
        <MediaPath legs={trace.media} beganAt={beganAt} />
      </section>
      <section className={styles['section']}>
        <h2>{t('trace.ladder')}</h2>
        <Ladder parties={trace.ladder.parties} messages={trace.ladder.messages} beganAt={beganAt} />
      </section>
      <div className={styles['pair']}>
        <section className={styles['section']}>
          <h2>{t('trace.routing')}</h2>
          <Routing decisions={trace.routing} beganAt={beganAt} />
        </section>
        <section className={styles['section']}>
          <h2>{t('trace.application')}</h2>
          <Application application={trace.application} beganAt={beganAt} />
        </section>
      </div>
      <Records trace={trace} />
    </div>
  )
}
