import { Link, useNavigate } from '@tanstack/react-router'
import { useId, useState, type FormEvent, type ReactElement } from 'react'
import { wordsOf, type Failure } from '../../api/errors'
import { isTraces } from '../../api/generated/operations-checks'
import type { Session } from '../../api/session'
import { dateAndTime, preciseDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { usePolled } from '../../live/use-polled'
import { Banner } from '../../ui/Banner'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { Since } from '../../ui/Since'
import type { CallHead } from './model'
import styles from './Traces.module.css'
const LISTED = 100
const eachThreeSeconds = (): number => 3_000

export type TracesProps = { readonly session: Session; readonly onRefused: (failure: Failure) => ReactElement }

/** The latest calls, each with a way to its trace, and a place for the id of any other. */
export function Traces({ session, onRefused }: TracesProps): ReactElement {
  const polled = usePolled(session, apiPaths.traces(session.tenant, LISTED), isTraces, eachThreeSeconds)
  if (polled.kind === 'refused') return onRefused(polled.failure)
  return (
    <div className={styles['page']}>
      <PageTitle title={t('pages.traces')} />
      <Finder />
      {polled.kind === 'loading' ? <p>{t('loading')}</p> : null}
      {polled.kind === 'failing' ? <Notice tone="bad" title={wordsOf(polled.failure)} /> : null}
      {polled.kind === 'shown' ? (
        <>
          {polled.failure === undefined ? null : <Banner what={wordsOf(polled.failure)} at={polled.heardAt} />}
          {(polled.value.missing ?? []).map((missing) => (
            <p key={missing} className={styles['missing']}>
              {missing}
            </p>
          ))}
          <div className={polled.failure === undefined ? undefined : 'stale'}>
            <List tenant={session.tenant} calls={polled.value.calls} />
          </div>
        </>
      ) : null}
    </div>
  )
}

function Finder(): ReactElement {
  const field = useId()
  const [call, setCall] = useState('')
  const navigate = useNavigate()
  const find = (event: FormEvent): void => {
    event.preventDefault()
    if (call.trim() === '') return
    void navigate({ to: '/trace/$call', params: { call: call.trim() } })
  }
  return (
    <form className={styles['finder']} onSubmit={find}>
      <label htmlFor={field}>{t('trace.finder')}</label>
      <input id={field} value={call} spellCheck={false} autoComplete="off" onChange={(event) => setCall(event.target.value)} />
      <Button type="submit">{t('trace.show')}</Button>
    </form>
  )
}

function List({ tenant, calls }: { readonly tenant: string; readonly calls: readonly CallHead[] }): ReactElement {
  if (calls.length === 0) return (
      <Notice tone="plain" title={t('trace.noCalls', { tenant })}>
        <p>{t('trace.noCallsWhy')}</p>
      </Notice>
    )
  return (
    <div className={styles['scroll']} tabIndex={0} role="region" aria-label={t('trace.recent')}>
      <table className={styles['table']}>
        <thead>
          <tr>
            {[t('trace.call'), t('trace.began'), t('trace.from'), t('trace.to'), t('trace.answeredBy'), t('trace.lasted'), t('trace.lastEvent')].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <tr key={call.connId}>
              <th scope="row">
                <Link to="/trace/$call" params={{ call: call.connId }}>
                  {call.connId}
                </Link>
              </th>
              <td>{dateAndTime(call.beganAt)}</td>
              <td>{call.from ?? '–'}</td>
              <td>{call.to ?? '–'}</td>
              <td>{call.answeredBy ?? t('trace.notAnswered')}</td>
              <td>
                {call.endedAt === null ? (
                  <>
                    <Since since={call.beganAt} /> {t('trace.goesOn')}
                  </>
                ) : (
                  preciseDuration(call.endedAt - call.beganAt)
                )}
              </td>
              <td>{call.lastEvent ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
