import { useEffect, useState, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { wordsOf } from './failures'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { say } from '../../ui/toast'
import { nameOfField } from './field-names'
import { bulk, type BulkAction } from './edits'
import { LEVEL_MAX } from './kinds/options'
import { ReferenceInput } from './ReferenceInput'
import { Review } from './Review'
import { useChange } from './use-change'
import { nameOfObject } from './words'
import styles from './List.module.css'

export type BulkBarProps = { readonly tenant: string; readonly chosen: readonly Stored[]; readonly onClear: () => void }

/** What can be done with all who are chosen; shown before it is made, as every change is. */
export function BulkBar({ tenant, chosen, onClear }: BulkBarProps): ReactElement {
  const { flow, propose, confirm, cancel } = useChange(tenant)
  const [skill, setSkill] = useState('')
  const [level, setLevel] = useState('1')
  const [fault, setFault] = useState('')
  const [noAgents, setNoAgents] = useState(0)
  useEffect(() => {
    if (flow.kind !== 'done') return
    say(t('setup.bulk.done', { count: flow.changed.changes.length }))
    cancel()
    onClear()
  }, [flow, cancel, onClear])
  const begin = (action: BulkAction): void => {
    if ((action.kind === 'add-skill' || action.kind === 'remove-skill') && action.skill === '') return setFault(t('setup.bulk.noSkill'))
    if (action.kind === 'add-skill' && !(Number.isInteger(action.level) && action.level >= 1 && action.level <= LEVEL_MAX)) return setFault(t('setup.fault.whole', { min: 1, max: LEVEL_MAX }))
    const found = bulk(chosen, action)
    setNoAgents(found.noAgents)
    if (found.edits.length === 0) return setFault(t('setup.bulk.nothing'))
    setFault('')
    propose(found.edits)
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
      <Button onClick={() => begin({ kind: 'add-skill', skill: skill.trim(), level: Number(level) })}>{t('setup.bulk.addSkill')}</Button>
      <Button onClick={() => begin({ kind: 'remove-skill', skill: skill.trim() })}>{t('setup.bulk.removeSkill')}</Button>
      <Button onClick={() => begin({ kind: 'disable' })}>{t('setup.bulk.disable')}</Button>
      <Button onClick={() => begin({ kind: 'enable' })}>{t('setup.bulk.enable')}</Button>
      <Button onClick={onClear}>{t('setup.bulk.clear')}</Button>
      {fault === '' ? null : <p role="alert">{fault}</p>}
      {flow.kind === 'same' ? <p role="status">{t('setup.bulk.nothing')}</p> : null}
      {flow.kind === 'failed' ? <p role="alert">{wordsOf(flow.failure)}</p> : null}
      {flow.kind === 'conflict' ? <p role="alert">{t('setup.bulk.conflict', { name: nameOfObject(flow.conflict.kind, flow.conflict.id) })}</p> : null}
      {flow.kind === 'faulty' ? (
        <ul role="alert">
          {flow.faults.map(({ kind, id, field, rule }) => (
            <li key={`${kind} ${id} ${field} ${rule}`}>{[nameOfObject(kind, id), nameOfField(kind, field), rule].filter((part) => part !== '').join(': ')}</li>
          ))}
        </ul>
      ) : null}
      {flow.kind === 'review' || flow.kind === 'applying' ? (
        <Review tenant={tenant} flow={flow} {...(noAgents === 0 ? {} : { note: t('setup.bulk.noAgents', { count: noAgents }) })} onConfirm={confirm} onCancel={cancel} />
      ) : null}
    </section>
  )
}
