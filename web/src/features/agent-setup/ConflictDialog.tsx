import { useQuery } from '@tanstack/react-query'
import type { ReactElement } from 'react'
import { getObject, type JsonObject, type Kind, type Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { wordsOf } from './failures'
import { nameOfField, wordsOfField } from './field-names'
import { clashes } from './edits'
import { sectionOf, titleOf } from './sections'
import styles from './ChangeList.module.css'

export type ConflictDialogProps = {
  readonly tenant: string
  readonly kind: Kind
  /** What was edited, as it was then; null where it was gone and is made again. */
  readonly base: Stored | null
  readonly id: string
  readonly mine: JsonObject
  /** Goes on with mine upon theirs; theirs is undefined where it is gone. */
  readonly onKeepMine: (theirs: Stored | undefined) => void
  readonly onTakeTheirs: (theirs: Stored | undefined) => void
  readonly onClose: () => void
}

/** Somebody else has changed what is being edited: theirs beside mine. */
export function ConflictDialog({ tenant, kind, base, id, mine, onKeepMine, onTakeTheirs, onClose }: ConflictDialogProps): ReactElement {
  const { data, refetch } = useQuery({ queryKey: ['agent-setup', tenant, 'theirs', kind, id], queryFn: ({ signal }) => getObject(tenant, kind, id, signal), gcTime: 0, staleTime: 0 })
  const theirs = data?.kind === 'ok' ? data.value : undefined
  const isGone = data?.kind === 'failed' && data.failure.kind === 'not-found'
  const isKnown = theirs !== undefined || isGone
  const section = sectionOf(kind)
  const name = section === undefined ? id : titleOf(section, id)
  return (
    <Dialog
      title={isGone ? t('setup.conflict.goneTitle', { id: name }) : t('setup.conflict.title', { id: name })}
      onClose={onClose}
      actions={
        isKnown ? (
          <>
            <Button tone="main" onClick={() => onKeepMine(theirs)}>
              {isGone ? t('setup.conflict.createAgain') : t('setup.conflict.keepMine')}
            </Button>
            <Button onClick={() => onTakeTheirs(theirs)}>{isGone ? t('setup.conflict.leave') : t('setup.conflict.takeTheirs')}</Button>
            <Button onClick={onClose}>{t('setup.conflict.back')}</Button>
          </>
        ) : (
          <Button onClick={onClose}>{t('setup.conflict.back')}</Button>
        )
      }
    >
      {data === undefined ? <p>{t('loading')}</p> : null}
      {data?.kind === 'failed' && !isGone ? (
        <>
          <p role="alert">{wordsOf(data.failure)}</p>
          <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>
        </>
      ) : null}
      {isGone ? <p>{t('setup.conflict.gone')}</p> : null}
      {theirs === undefined ? null : <Sides kind={kind} base={base?.object ?? {}} theirs={theirs.object} mine={mine} />}
    </Dialog>
  )
}

type SidesProps = { readonly kind: Kind; readonly base: JsonObject; readonly theirs: JsonObject; readonly mine: JsonObject }

function Sides({ kind, base, theirs, mine }: SidesProps): ReactElement {
  const found = clashes(base, theirs, mine)
  return (
    <>
      <p>{t('setup.conflict.what')}</p>
      <table className={styles['table']}>
        <thead>
          <tr>
            {[t('setup.review.field'), t('setup.review.before'), t('setup.conflict.theirs'), t('setup.conflict.mine')].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {found.map((clash) => (
            <tr key={clash.path} data-clash={clash.isBoth}>
              <th scope="row">
                {nameOfField(kind, clash.path)} {clash.isBoth ? <em>{t('setup.conflict.both')}</em> : null}
              </th>
              {[clash.before, clash.theirs, clash.mine].map((value, index) => (
                <td key={index}>{wordsOfField(kind, clash.path, value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}
