import { useEffect, useRef, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import type { Configuration } from '../../api/workspace-shapes'
import type { DeskProps } from './Desktop'
import type { Missed } from './missed'
import { phaseOf, reasonWords, stateOf, whoOf } from './words'
import styles from './Desktop.module.css'

/** What has happened while nothing was heard. */
export function MissedNote({ desk, state: { missed, configuration } }: DeskProps): ReactElement {
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

function missedWords(missed: Missed, configuration: Configuration | undefined): string {
  if (missed.kind === 'state') {
    const reason = reasonWords(missed.dn, configuration)
    const { text } = stateOf(missed.dn)
    return t('desk.missed.state', { state: reason === '' ? text : `${text}, ${reason}` })
  }
  const who = whoOf(missed.call)
  if (missed.kind === 'changed') return t('desk.missed.changed', { who, state: phaseOf(missed.call).text })
  return t(`desk.missed.${missed.kind}`, { who })
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
