import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { ConnectionState } from './model'
import lines from './lines.module.css'
import styles from './StateWord.module.css'

export type StateWordProps = { readonly state: ConnectionState }

/** A state as its line and its word. */
export function StateWord({ state }: StateWordProps): ReactElement {
  return (
    <span className={styles['word']}>
      <svg width="26" height="8" aria-hidden="true">
        <line x1="2" y1="4" x2="24" y2="4" className={`${lines['line']} ${lines[state]} ${lines['bold']}`} />
      </svg>
      {t(`topology.state.${state}`)}
    </span>
  )
}
