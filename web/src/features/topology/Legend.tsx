import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { countOf, STATES, type Connection, type ConnectionState, type StateCount } from './model'
import lines from './lines.module.css'
import styles from './Legend.module.css'

export type LegendProps = {
  readonly connections: readonly Connection[]
  readonly state: ConnectionState | 'all'
  readonly onState: (state: ConnectionState | 'all') => void
}

/** What the lines mean, how many there are, and a way to see only one kind. */
export function Legend({ connections, state, onState }: LegendProps): ReactElement {
  return (
    <div className={styles['legend']} role="group" aria-label={t('topology.legend')}>
      {STATES.map((known) => (
        <button
          key={known}
          type="button"
          className={styles['entry']}
          aria-pressed={state === known}
          title={t(`topology.stateMeaning.${known}`)}
          onClick={() => onState(state === known ? 'all' : known)}
        >
          <svg width="44" height="10" aria-hidden="true">
            <line x1="2" y1="5" x2="42" y2="5" className={`${lines['line']} ${lines[known]} ${lines['bold']}`} />
          </svg>
          {t(`topology.state.${known}`)} <Count count={countOf(connections, known)} />
        </button>
      ))}
    </div>
  )
}

function Count({ count }: { readonly count: StateCount }): ReactElement {
  return (
    <span>
      <b>{count.drawn}</b>
      {count.own === 0 ? null : ` ${t('topology.andOwn', { own: count.own })}`}
    </span>
  )
}
