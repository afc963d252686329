import type { CSSProperties, ReactElement } from 'react'
import type { Failure } from '../../api/errors'
import type { Session } from '../../api/session'
import { t } from '../../lib/i18n'
import { PageTitle } from '../../ui/PageTitle'
import { AgentGrid } from './AgentGrid'
import { Alerts } from './Alerts'
import { ConnectionBanner } from './ConnectionBanner'
import { LiveSign } from './LiveSign'
import type { Board } from './model'
import { tilesFor } from './queues'
import { QueueTile } from './QueueTile'
import { StateBar } from './StateBar'
import { Totals } from './Totals'
import { useFeed } from './use-feed'
import styles from './Wallboard.module.css'

export type WallboardProps = {
  readonly session: Session
  /** What to show instead while the token does not serve. */
  readonly onRefused: (failure: Failure) => ReactElement
}

/** The wallboard: the tenant's numbers as they change. */
export function Wallboard({ session, onRefused }: WallboardProps): ReactElement {
  const [{ connection, board }, retry] = useFeed(session.token, session.tenant)
  const name = board?.name ?? ''
  if (board === undefined && connection.kind === 'refused') return onRefused(connection.failure)
  const isStale = connection.kind === 'lost' || connection.kind === 'refused'
  return (
    <div className={styles['wall']} data-connection={connection.kind}>
      <PageTitle title={name === '' ? t('pages.wallboard') : name} of={t('pages.wallboard')}>
        <LiveSign connection={connection} />
      </PageTitle>
      {isStale ? <ConnectionBanner connection={connection} at={board?.at} onRetry={retry} /> : null}
      {board === undefined ? (
        isStale ? null : <p className={styles['waiting']}>{t('connection.connecting')}</p>
      ) : (
        <div className={`${styles['numbers']} ${isStale ? 'stale' : ''}`} data-position={board.position}>
          <Numbers board={board} />
        </div>
      )}
    </div>
  )
}

function Numbers({ board }: { readonly board: Board }): ReactElement {
  const tiles = tilesFor(board.queues)
  return (
    <>
      <Alerts queues={board.queues} />
      <Totals totals={board.totals} queues={board.queues} countsSince={board.countsSince} />
      <section className={styles['queues']} aria-label={t('wallboard.queues')} data-tiles={tiles.kind}>
        {board.queues.length === 0 ? <p>{t('wallboard.noQueues')}</p> : null}
        <ul className={styles['tiles']} style={{ '--columns': tiles.columns } as CSSProperties}>
          {tiles.shown.map((queue) => (
            <QueueTile key={queue.id} queue={queue} size={tiles.kind} />
          ))}
        </ul>
        {tiles.kind === 'large' ? <Legend /> : null}
        {tiles.more > 0 ? <p className={styles['legend']}>{t('wallboard.moreQueues', { more: tiles.more })}</p> : null}
      </section>
      <section className={styles['agents']} aria-label={t('wallboard.agents')}>
        <StateBar states={board.states} />
        <AgentGrid agents={board.agents} countsSince={board.countsSince} />
      </section>
    </>
  )
}

function Legend(): ReactElement {
  return (
    <p className={styles['legend']}>
      <span>{t('wallboard.history')}:</span>
      <span className={styles['entered']}>{t('wallboard.legendEntered')}</span>
      <span className={styles['abandoned']}>{t('wallboard.legendAbandoned')}</span>
      <span className={styles['line']}>{t('wallboard.legendWaiting')}</span>
    </p>
  )
}
