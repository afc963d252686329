import { useEffect, useState, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { say } from '../../ui/toast'
import { BatchNews, ClearButton } from './BatchNews'
import type { Flow } from './change-flow'
import { bulk, deletion, type BulkAction } from './edits'
import { wholeFault } from './faults'
import { wholeOf } from './form'
import { LEVEL_MAX } from './kinds/options'
import { useUnderWay } from './leaving'
import { focusContent } from './neighbour'
import { ReferenceInput } from './ReferenceInput'
import type { Section } from './sections'
import { useChange } from './use-change'
import { useReadAnew } from './use-read-anew'
import styles from './List.module.css'

export type BulkBarProps = {
  readonly tenant: string
  readonly section: Section
  readonly chosen: readonly Stored[]
  readonly onClear: () => void
  /** Some of them were read anew. */
  readonly onRead: (stored: readonly Stored[]) => void
  /** Some of them are done with, or gone. */
  readonly onForget: (ids: readonly string[]) => void
}

/** What can be done with all who are chosen; shown before it is made, as every change is. */
export function BulkBar({ tenant, section, chosen, onClear, onRead, onForget }: BulkBarProps): ReactElement {
  const { flow, propose, confirm, cancel } = useChange(tenant)
  const [skill, setSkill] = useState('')
  const [level, setLevel] = useState('1')
  const [fault, setFault] = useState('')
  const [noAgents, setNoAgents] = useState(0)
  const leave = useUnderWay(flow.kind === 'applying')
  const isDeleting = deletes(flow)
  useEffect(() => {
    if (flow.kind !== 'done') return
    say(deletes(flow) ? t('setup.chosen.deleted', { count: flow.proposal.edits.length }) : t('setup.bulk.done', { count: flow.changed.changes.length }))
    cancel()
    onClear()
    focusContent()
  }, [flow, cancel, onClear])
  useReadAnew(tenant, section, flow, onRead, onForget)
  const begin = (action: BulkAction): void => {
    if (flow.kind === 'checking') return
    if ((action.kind === 'add-skill' || action.kind === 'remove-skill') && action.skill === '') return setFault(t('setup.bulk.noSkill'))
    const unfit = action.kind === 'add-skill' ? wholeFault(level, 1, LEVEL_MAX, true) : undefined
    if (unfit !== undefined) return setFault(unfit)
    const found = bulk(chosen, action)
    setNoAgents(found.noAgents)
    if (found.edits.length === 0) return setFault(t('setup.bulk.nothing'))
    setFault('')
    propose(found.edits)
  }
  const remove = (): void => {
    if (flow.kind === 'checking') return
    setFault('')
    setNoAgents(0)
    propose(chosen.map((stored) => deletion(section.kind, stored)))
  }
  return (
    <section aria-label={t('setup.bulk.label')} className={styles['bulk']}>
      <strong role="status">{t('setup.bulk.chosen', { count: chosen.length })}</strong>
      <label className={styles['filter']}>
        {t('setup.skill')}
        <ReferenceInput tenant={tenant} of="skill" value={skill} attributes={{}} onChange={setSkill} />
      </label>
      <label className={`${styles['filter']} ${styles['level']}`}>
        {t('setup.level')}
        <input type="text" inputMode="numeric" value={level} onChange={(event) => setLevel(event.target.value)} />
      </label>
      <Button onClick={() => begin({ kind: 'add-skill', skill: skill.trim(), level: wholeOf(level) ?? 0 })}>{t('setup.bulk.addSkill')}</Button>
      <Button onClick={() => begin({ kind: 'remove-skill', skill: skill.trim() })}>{t('setup.bulk.removeSkill')}</Button>
      <Button onClick={() => begin({ kind: 'disable' })}>{t('setup.bulk.disable')}</Button>
      <Button onClick={() => begin({ kind: 'enable' })}>{t('setup.bulk.enable')}</Button>
      <Button tone="danger" onClick={remove}>
        {t('setup.form.delete')}
      </Button>
      <ClearButton onClear={onClear} />
      {fault === '' ? null : <p role="alert">{fault}</p>}
      <BatchNews
        tenant={tenant}
        flow={flow}
        nothing={isDeleting ? t('setup.chosen.gone') : t('setup.bulk.nothing')}
        made={(count) => (isDeleting ? (count === 0 ? t('setup.chosen.noneDeleted') : t('setup.chosen.someDeleted', { count })) : count === 0 ? t('setup.bulk.noneMade') : t('setup.bulk.someMade', { count }))}
        note={noAgents === 0 ? undefined : t('setup.bulk.noAgents', { count: noAgents })}
        onConfirm={confirm}
        onCancel={cancel}
      />
      {leave}
    </section>
  )
}

function deletes(flow: Flow): boolean {
  return 'proposal' in flow && flow.proposal.edits[0]?.action === 'delete'
}
