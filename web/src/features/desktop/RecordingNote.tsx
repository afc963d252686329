import type { ReactElement } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Glyph } from '../../ui/state-glyphs'
import styles from './RecordingNote.module.css'

/** Whether what is said is kept, and whether it is kept out for now. */
export function RecordingNote({ call: { recording } }: { readonly call: Call }): ReactElement | null {
  if (recording === '') return null
  const isPaused = recording === 'Paused'
  return (
    <p role="status" className={`${styles['recording']} ${isPaused ? styles['paused'] : ''}`} data-recording={recording}>
      {isPaused ? <Glyph name="notReady" /> : <span aria-hidden="true" className={styles['dot']} />}
      {t(isPaused ? 'work.recording.paused' : 'work.recording')}
    </p>
  )
}
