import { useEffect, useState, type ReactElement } from 'react'
import { getObject, type Stored } from '../../api/agent-setup'
import { wordsOf } from './failures'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { say } from '../../ui/toast'
import { nameOfField } from './field-names'
import { BATCH } from './batches'
import type { Flow } from './change-flow'
import { bulk, type BulkAction } from './edits'
import { wholeFault } from './faults'
import { wholeOf } from './form'
import { LEVEL_MAX } from './kinds/options'
import { ReferenceInput } from './ReferenceInput'
import { Review } from './Review'
import { wordsOfRule } from './rules'
import { useChange } from './use-change'
import { nameOfObject } from './words'
import styles from './List.module.css'

export type BulkBarProps = {
  readonly tenant: string
  readonly chosen: readonly Stored[]
  readonly onClear: () => void
  /** Some of them were read anew. */
  readonly onRead: (stored: readonly Stored[]) => void
  /** Some of them are done with, or gone. */
  readonly onForget: (ids: readonly string[]) => void
}

/** What can be done with all who are chosen; shown before it is made, as every change is. */
export function BulkBar({ tenant, chosen, onClear, onRead, onForget }: BulkBarProps): ReactElement {
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
  useEffect(() => {
    if (flow.kind !== 'conflict' && flow.kind !== 'faulty') return
    onForget(flow.proposal.edits.slice(0, flow.made).map(({ id }) => id))
    if (flow.kind === 'faulty') return
    const { id } = flow.conflict
    // As it is now: then the same can be tried again.
    void getObject(tenant, 'person', id).then((outcome) => {
      if (outcome.kind === 'ok') onRead([outcome.value])
      if (outcome.kind === 'failed' && outcome.failure.kind === 'not-found') onForget([id])
    })
  }, [flow, tenant, onRead, onForget])
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
      <Button onClick={onClear}>{t('setup.bulk.clear')}</Button>
      {fault === '' ? null : <p role="alert">{fault}</p>}
      {flow.kind === 'same' ? <p role="status">{t('setup.bulk.nothing')}</p> : null}
      {flow.kind === 'failed' ? <p role="alert">{wordsOf(flow.failure)}</p> : null}
      {flow.kind === 'checking' && flow.proposal.edits.length > BATCH ? <p role="status">{progressOf(flow)}</p> : null}
      {flow.kind === 'conflict' ? (
        <p role="alert">
          {t('setup.bulk.conflict', { name: nameOfObject(flow.conflict.kind, flow.conflict.id) })} {madeOf(flow)}
        </p>
      ) : null}
      {flow.kind === 'faulty' ? (
        <ul role="alert">
          <li>{madeOf(flow)}</li>
          {flow.faults.map((fault) => (
            <li key={`${fault.kind} ${fault.id} ${fault.field} ${fault.rule}`}>
              {[nameOfObject(fault.kind, fault.id), nameOfField(fault.kind, fault.field), wordsOfRule(fault, fault.kind)].filter((part) => part !== '').join(': ')}
            </li>
          ))}
          {flow.more === 0 ? null : <li>{t('setup.review.more', { count: flow.more })}</li>}
        </ul>
      ) : null}
      {flow.kind === 'review' || flow.kind === 'applying' ? (
        <Review tenant={tenant} flow={flow} {...noteOf(flow, noAgents)} onConfirm={confirm} onCancel={cancel} />
      ) : null}
    </section>
  )
}

function progressOf({ done, proposal }: Extract<Flow, { kind: 'checking' | 'applying' }>): string {
  return t('setup.bulk.progress', { done, count: proposal.edits.length })
}

/** What was made all the same. */
function madeOf({ made }: Extract<Flow, { kind: 'faulty' | 'conflict' }>): string {
  return made === 0 ? t('setup.bulk.noneMade') : t('setup.bulk.someMade', { count: made })
}

function noteOf(flow: Extract<Flow, { kind: 'review' | 'applying' }>, noAgents: number): { readonly note?: string } {
  if (flow.kind === 'applying' && flow.proposal.edits.length > BATCH) return { note: progressOf(flow) }
  return noAgents === 0 ? {} : { note: t('setup.bulk.noAgents', { count: noAgents }) }
}
