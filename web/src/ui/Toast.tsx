import { useEffect, useSyncExternalStore, type ReactElement } from 'react'
import { t } from '../lib/i18n'
import { Button } from './Button'
import { Glyph } from './state-glyphs'
import { onSaid, unsay, whatWasSaid } from './toast'
import styles from './Toast.module.css'

/** Long enough to be read twice. */
const SHOWN_MS = 15_000

/** What has just been done, in words; screen readers say it. */
export function Toast(): ReactElement {
  const said = useSyncExternalStore(onSaid, whatWasSaid)
  useEffect(() => {
    if (said === undefined) return
    const timer = setTimeout(unsay, SHOWN_MS)
    return () => clearTimeout(timer)
  }, [said])
  return (
    <div role="status" className={styles['place']}>
      {said === undefined ? null : (
        <p key={said.number} className={styles['toast']} data-tone={said.tone}>
          <Glyph name={said.tone} className={styles[said.tone]} />
          <span>{said.text}</span>
          <Button onClick={unsay}>{t('close')}</Button>
        </p>
      )}
    </div>
  )
}
