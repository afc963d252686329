import { lazy, Suspense, type ReactElement } from 'react'
import { timeOrDate } from '../../lib/durations'
import { addTexts, t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import type { DeskProps } from './Desktop'
import styles from './Desktop.module.css'

/** Who has missed something was at work here: it is loaded with the words of that. */
const MissedNote = lazy(async () => {
  const [{ MissedNote: Note }] = await Promise.all([import('./MissedNote'), addTexts('desktop-work')])
  return { default: Note }
})

/** That nothing is heard and what that means; afterwards, what has happened meanwhile. */
export function ConnectionNote({ desk, state }: DeskProps): ReactElement | null {
  const { away, connection, missed } = state
  const begins = state.phase.kind === 'not-begun' || state.phase.kind === 'left'
  if (away !== undefined && !begins) {
    return (
      <section aria-label={t('banner.label')} className={`${styles['note']} ${styles['bad']}`} data-connection={connection.kind}>
        <Glyph name="warning" className={styles['sign']} />
        <div role="alert">
          <p className={styles['strong']}>{t('desk.connection.lost')}</p>
          <p>{connection.kind === 'lost' && connection.isReplaced === true ? t('desk.connection.tabs') : navigator.onLine ? t('desk.connection.old', { time: timeOrDate(away.since, Date.now()) }) : t('desk.connection.noNetwork')}</p>
        </div>
        <Button onClick={desk.retry}>{t('connection.retry')}</Button>
      </section>
    )
  }
  if (missed.length === 0) return null
  return (
    <Suspense fallback={null}>
      <MissedNote desk={desk} state={state} />
    </Suspense>
  )
}
