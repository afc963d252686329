import { useEffect, useRef, type ReactElement } from 'react'
import { timeOrDate } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import type { DeskProps } from './Desktop'
import { missedWords } from './words'
import styles from './Desktop.module.css'

/** That nothing is heard and what that means; afterwards, what has happened meanwhile. */
export function ConnectionNote({ desk, state }: DeskProps): ReactElement | null {
  const { away, connection, missed, configuration } = state
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
    <section aria-label={t('banner.label')} className={`${styles['note']} ${styles['warning']}`} data-connection="missed">
      <Glyph name="warning" className={styles['sign']} />
      <div role="alert">
        <p className={styles['strong']}>{t('desk.missed.title')}</p>
        <ul>
          {missed.map((one, index) => (
            <li key={index}>{missedWords(one, configuration)}</li>
          ))}
        </ul>
      </div>
      <Seen onSeen={() => desk.take({ kind: 'seen' })} />
    </section>
  )
}

/** What had the focus is not lost with the note. */
function Seen({ onSeen }: { readonly onSeen: () => void }): ReactElement {
  const before = useRef<Element | null>(null)
  useEffect(() => {
    before.current = document.activeElement
  }, [])
  return (
    <Button
      onClick={() => {
        onSeen()
        if (before.current instanceof HTMLElement && before.current.isConnected) before.current.focus()
      }}
    >
      {t('desk.missed.seen')}
    </Button>
  )
}
