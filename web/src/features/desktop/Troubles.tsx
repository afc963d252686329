import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import type { Desk } from './desk'
import type { Trouble } from './desk-state'
import { troubleWords } from './words'
import styles from './Desktop.module.css'

export type TroublesProps = { readonly desk: Desk; readonly troubles: readonly Trouble[] }

/** What did not work, with what to do about it, until it is tried again or put away. */
export function Troubles({ desk, troubles }: TroublesProps): ReactElement {
  return (
    <section aria-label={t('desk.troubles')} hidden={troubles.length === 0} className={styles['troubles']}>
      {troubles.map((trouble) => {
        const { what, advice } = troubleWords(trouble)
        return (
          <div key={trouble.number} className={`${styles['note']} ${styles['bad']}`} data-trouble={trouble.what ?? ''}>
            <Glyph name="bad" className={styles['sign']} />
            <div role="alert">
              <p className={styles['strong']}>{what}</p>
              <p>{advice}</p>
            </div>
            <Button label={`${t('desk.close')}: ${what}`} onClick={() => desk.take({ kind: 'dismiss', number: trouble.number })}>
              {t('desk.close')}
            </Button>
          </div>
        )
      })}
    </section>
  )
}
