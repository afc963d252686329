import type { ReactElement } from 'react'
import { t, type PlainText } from '../../lib/i18n'
import styles from './Form.module.css'

/** The ids of what describes an input: its hint and its faults. */
export function describedBy(id: string, hint: PlainText | undefined, faults: readonly string[]): string | undefined {
  const ids = [...(hint === undefined ? [] : [`${id}-hint`]), ...(faults.length === 0 ? [] : [`${id}-fault`])]
  return ids.length === 0 ? undefined : ids.join(' ')
}

/** What is to be known of an input that has no label of its own above it. */
export function HintOf({ id, hint }: { readonly id: string; readonly hint: PlainText | undefined }): ReactElement | null {
  return hint === undefined ? null : (
    <p id={`${id}-hint`} className={styles['hint']}>
      {t(hint)}
    </p>
  )
}
