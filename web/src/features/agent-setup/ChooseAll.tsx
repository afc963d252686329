import { useState, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { wordsOf } from './failures'
import { allObjects, type ListFilter } from './queries'
import { noteRefusal } from './refusal'
import type { Section } from './sections'
import styles from './List.module.css'

export type ChooseAllProps = { readonly tenant: string; readonly section: Section; readonly filter: ListFilter; readonly onChoose: (all: readonly Stored[]) => void }

/** For whoever has chosen all that are shown, and means all that there are. */
export function ChooseAll({ tenant, section, filter, onChoose }: ChooseAllProps): ReactElement {
  const [state, setState] = useState<{ readonly isReading: boolean; readonly fault: string }>({ isReading: false, fault: '' })
  const read = async (): Promise<void> => {
    if (state.isReading) return
    setState({ isReading: true, fault: '' })
    const outcome = await allObjects(tenant, section, filter)
    if (outcome.kind === 'failed') noteRefusal(outcome.failure)
    setState({ isReading: false, fault: outcome.kind === 'failed' ? wordsOf(outcome.failure) : '' })
    if (outcome.kind === 'ok') onChoose(outcome.value)
  }
  return (
    <div className={styles['foot']}>
      <Button onClick={() => void read()}>{state.isReading ? t('loading') : t('setup.list.chooseMatching')}</Button>
      {state.fault === '' ? null : <span role="alert">{state.fault}</span>}
    </div>
  )
}
