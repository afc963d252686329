import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { Turn } from './model'
import { Offset } from './Offset'
import styles from './Steps.module.css'
import frame from './Trace.module.css'

export type ThreadProps = { readonly turns: readonly Turn[]; readonly beganAt: number }

/** Who talked with whom, when and in which room, and who moved where. */
export function Thread({ turns, beganAt }: ThreadProps): ReactElement | null {
  if (turns.length === 0) return null
  return (
    <section className={frame['section']}>
      <h2>{t('trace.thread')}</h2>
      <ol className={styles['steps']}>
        {turns.map((turn, index) => (
          <li key={index} className={styles['step']}>
            <Offset at={turn.at ?? beganAt} beganAt={beganAt} />
            <p>{turn.kind === 'talk' ? <b>{turn.text}</b> : turn.text}</p>
          </li>
        ))}
      </ol>
    </section>
  )
}
