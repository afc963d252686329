import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { BATCH } from './batches'
import type { Flow } from './change-flow'
import { wordsOf } from './failures'
import { focusContent } from './neighbour'
import { Review } from './Review'
import { wordsOfFault } from './rules'
import { nameOfObject } from './words'

export type BatchNewsProps = {
  readonly tenant: string
  readonly flow: Flow
  /** Said where all is so already. */
  readonly nothing: string
  /** Says how many were made before the others were refused. */
  readonly made: (count: number) => string
  /** What is to be known beside the changes. */
  readonly note?: string | undefined
  readonly onConfirm: () => void
  readonly onCancel: () => void
}

/** How far a change of many is, what it changes before it is made, and why it was refused. */
export function BatchNews({ tenant, flow, nothing, made, note, onConfirm, onCancel }: BatchNewsProps): ReactElement {
  return (
    <>
      {flow.kind === 'same' ? <p role="status">{nothing}</p> : null}
      {flow.kind === 'failed' ? <p role="alert">{wordsOf(flow.failure)}</p> : null}
      {flow.kind === 'checking' && flow.proposal.edits.length > BATCH ? <p role="status">{progressOf(flow)}</p> : null}
      {flow.kind === 'conflict' ? (
        <p role="alert">
          {t('setup.bulk.conflict', { name: nameOfObject(flow.conflict.kind, flow.conflict.id) })} {made(flow.made)}
        </p>
      ) : null}
      {flow.kind === 'stopped' ? (
        <p role="alert">
          {t('setup.bulk.madeSoFar', { made: flow.made, count: flow.proposal.edits.length })} {t('setup.bulk.stopped', { count: Math.min(BATCH, flow.proposal.edits.length - flow.made) })}
        </p>
      ) : null}
      {flow.kind === 'faulty' ? (
        <ul role="alert">
          <li>{made(flow.made)}</li>
          {flow.faults.map((fault) => (
            <li key={`${fault.kind} ${fault.id} ${fault.field} ${fault.rule}`}>{wordsOfFault(fault)}</li>
          ))}
          {flow.more === 0 ? null : <li>{t('setup.review.more', { count: flow.more })}</li>}
        </ul>
      ) : null}
      {flow.kind === 'review' || flow.kind === 'applying' ? <Review tenant={tenant} flow={flow} {...noteOf(flow, note)} onConfirm={onConfirm} onCancel={onCancel} /> : null}
    </>
  )
}

function progressOf({ done, proposal }: Extract<Flow, { kind: 'checking' | 'applying' }>): string {
  return t('setup.bulk.progress', { done, count: proposal.edits.length })
}

/** Lets those go who are chosen; the bar in which it stands goes with them. */
export function ClearButton({ onClear }: { readonly onClear: () => void }): ReactElement {
  const clear = (): void => {
    onClear()
    focusContent()
  }
  return <Button onClick={clear}>{t('setup.bulk.clear')}</Button>
}

function noteOf(flow: Extract<Flow, { kind: 'review' | 'applying' }>, note: string | undefined): { readonly note?: string } {
  if (flow.kind === 'applying' && flow.proposal.edits.length > BATCH) return { note: progressOf(flow) }
  if (flow.kind === 'review' && flow.made > 0) return { note: t('setup.bulk.madeSoFar', { made: flow.made, count: flow.proposal.edits.length }) }
  return note === undefined ? {} : { note }
}
