import type { ReactElement } from 'react'
import type { DeskState } from './desk-state'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import { NOTES } from './call-data'
import { drafts, orphans } from './drafts'
import { useAllDrafts } from './use-drafts'
import styles from './Desktop.module.css'

/** What was typed about calls that are not here any more: it is shown until the agent has put it elsewhere, or does not want it. */
export function UnsavedNotes({ state }: { readonly state: DeskState }): ReactElement | null {
  const left = orphans(useAllDrafts(), state.calls)
  if (state.connection.kind !== 'live' || left.length === 0) return null
  return (
    <section aria-label={t('work.unsaved')} className={`${styles['note']} ${styles['warning']}`} data-unsaved={left.length}>
      <Glyph name="warning" className={styles['sign']} />
      <div>
        <p role="alert" className={styles['strong']}>
          {t('work.unsaved')}
        </p>
        <p>{t('work.unsaved.what')}</p>
        {left.map((draft) => {
          const title = draft.key === NOTES ? t('desk.notes') : draft.key
          return (
            <p key={`${draft.call} ${draft.key}`}>
              {t('work.unsaved.one', { title, who: draft.who })} <q>{draft.value}</q>{' '}
              <Button label={`${t('work.unsaved.drop')}: ${title}, ${draft.who}`} onClick={() => drafts.drop(draft)}>
                {t('work.unsaved.drop')}
              </Button>
            </p>
          )
        })}
      </div>
    </section>
  )
}
