import { useState, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { adviceOf, wordsOf } from '../../api/errors'
import { t } from '../../lib/i18n'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { Editor, type Saved } from './Editor'
import { History } from './History'
import { failureIn, useStored } from './queries'
import type { Section } from './sections'
import { Uses } from './Uses'
import panels from './Panels.module.css'
import styles from './ObjectView.module.css'

export type ObjectViewProps = {
  readonly tenant: string
  readonly section: Section
  readonly id: string
  readonly onSaved: (saved: Saved) => void
  readonly onDirty: (isDirty: boolean) => void
}

/** One object: its form, what uses it, what it was before. */
export function ObjectView({ tenant, section, id, onSaved, onDirty }: ObjectViewProps): ReactElement {
  const { data, error } = useStored(tenant, section.kind, id)
  const [restored, setRestored] = useState<Stored>()
  const [saved, setSaved] = useState<Stored>()
  const failure = failureIn(error)
  const stored = restored ?? data
  const latest = [data, restored, saved].filter((one) => one !== undefined).reduce<Stored | undefined>((newest, one) => (newest === undefined || one.revision > newest.revision ? one : newest), undefined)
  return (
    <>
      <PageTitle title={id} of={t(section.title)} />
      {stored === undefined && failure !== undefined ? (
        <Notice tone="bad" title={wordsOf(failure)}>
          <p>{adviceOf(failure)}</p>
        </Notice>
      ) : null}
      {stored === undefined && failure === undefined ? <p>{t('loading')}</p> : null}
      {stored === undefined ? null : (
        <div className={styles['columns']}>
          <Editor
            key={`${stored.id} ${restored?.revision ?? ''}`}
            tenant={tenant}
            section={section}
            stored={stored}
            onDirty={onDirty}
            onSaved={(done) => {
              setSaved(done.stored)
              onSaved(done)
            }}
          />
          <aside className={styles['beside']} aria-label={t('setup.beside')}>
            <section className={panels['panel']}>
              <h2>{t('setup.uses.title')}</h2>
              <Uses tenant={tenant} kind={section.kind} id={id} />
            </section>
            <section className={panels['panel']}>
              <h2>{t('setup.history.title')}</h2>
              <History tenant={tenant} kind={section.kind} id={id} present={latest} onRestored={setRestored} />
            </section>
          </aside>
        </div>
      )}
    </>
  )
}
