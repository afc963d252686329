import { useQueryClient } from '@tanstack/react-query'
import { useState, type ReactElement } from 'react'
import { getObject, restoreObject, type Change, type HistoryEntry, type Stored, type Way } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'
import { refreshAccount } from '../../live/account'
import { adviceOf, wordsOf } from './failures'
import { dateAndTime } from '../../lib/durations'
import { t, type PlainText } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Notice } from '../../ui/Notice'
import { say } from '../../ui/toast'
import { nameOfField } from './field-names'
import { ChangeList, Differences } from './ChangeList'
import { differences } from './document'
import { mayChange } from './may-make'
import { failureIn, useHistory } from './queries'
import { noteRefusal } from './refusal'
import { backTo, canRestore, losesSecret } from './restoring'
import { wordsOfFault } from './rules'
import { forgetLists } from './use-change'
import { nameOfObject } from './words'
import styles from './Panels.module.css'

export type HistoryProps = {
  readonly tenant: string
  /** Empty for every object. */
  readonly kind: string
  readonly id: string
  /** The object as it is now; undefined where the history is about several. */
  readonly present?: Stored | undefined
  readonly onRestored?: (stored: Stored) => void
  /** It was read anew, for somebody else has changed it. */
  readonly onRead?: (stored: Stored) => void
}

/** Who has changed what, the latest first, with a way back. */
export function History({ tenant, kind, id, present, onRestored, onRead }: HistoryProps): ReactElement {
  const { data, error, hasNextPage, isFetchNextPageError, isFetchingNextPage, fetchNextPage, refetch } = useHistory(tenant, kind, id)
  const [wanted, setWanted] = useState<HistoryEntry>()
  const failure = failureIn(error)
  const entries = data?.pages.flatMap(({ items }) => items) ?? []
  // Further ones are asked for again by the button that has asked for them.
  const trouble = failure === undefined ? null : <Trouble failure={failure} onRetry={isFetchNextPageError ? undefined : () => void refetch()} />
  if (data === undefined) return trouble ?? <p>{t('loading')}</p>
  if (entries.length === 0) return trouble ?? <p className={styles['quiet']}>{t('setup.history.none')}</p>
  // What is there stays; what has failed is said where it was to come.
  return (
    <>
      {isFetchNextPageError ? null : trouble}
      <ol className={styles['history']}>
        {entries.map((entry, index) => (
          <li key={`${entry.number} ${entry.kind} ${entry.id}`}>
            <details>
              <summary>
                <strong>{dateAndTime(entry.at)}</strong> {entry.by} <span className={styles['quiet']}>{wayOf(entry)}</span>
                <span className={styles['short']}>
                  {id === '' ? `${nameOfObject(entry.kind, entry.id)} – ` : ''}
                  {inShort(entry)}
                </span>
              </summary>
              <Differences change={entry} secrets={entry.secretsChanged ? [t('setup.history.secrets')] : []} />
            </details>
            {!mayChange() || !canRestore(entries, index, id === '') ? null : (
              <Button label={t('setup.history.restoreOf', { time: dateAndTime(entry.at) })} onClick={() => setWanted(entry)}>
                {t('setup.history.restore')}
              </Button>
            )}
          </li>
        ))}
      </ol>
      {isFetchNextPageError ? trouble : null}
      {hasNextPage ? <Button onClick={() => void fetchNextPage()}>{isFetchingNextPage ? t('loading') : t('setup.more')}</Button> : null}
      {wanted === undefined ? null : (
        <Restore
          tenant={tenant}
          entry={wanted}
          present={present}
          onClose={() => setWanted(undefined)}
          onRead={onRead}
          onRestored={(stored) => {
            setWanted(undefined)
            onRestored?.(stored)
          }}
        />
      )}
    </>
  )
}

function Trouble({ failure, onRetry }: { readonly failure: Failure; readonly onRetry: (() => void) | undefined }): ReactElement {
  return (
    <Notice tone="bad" title={wordsOf(failure)}>
      <p>{adviceOf(failure)}</p>
      {onRetry === undefined ? null : <Button onClick={onRetry}>{t('connection.retry')}</Button>}
    </Notice>
  )
}

function wayOf({ way, source }: HistoryEntry): string {
  const words = t(WAYS[way])
  return source === '' ? words : `${words}, ${t('setup.history.from', { source })}`
}

function inShort(entry: Change): string {
  if (entry.before === null) return t('setup.review.created')
  if (entry.after === null) return t('setup.review.deleted')
  return differences(entry.before, entry.after).map(({ path }) => nameOfField(entry.kind, path)).join(', ') || t('setup.history.secrets')
}

const WAYS: Readonly<Record<Way, PlainText>> = {
  import: 'setup.way.import',
  grpc: 'setup.way.grpc',
  page: 'setup.way.page',
  rest: 'setup.way.rest',
  scim: 'setup.way.scim',
  command_line: 'setup.way.commandLine',
  snapshot: 'setup.way.snapshot',
  backup: 'setup.way.backup',
  reveal: 'setup.way.reveal',
  other: 'setup.way.other',
}

type RestoreProps = {
  readonly tenant: string
  readonly entry: HistoryEntry
  readonly present: Stored | undefined
  readonly onClose: () => void
  readonly onRead: ((stored: Stored) => void) | undefined
  readonly onRestored: (stored: Stored) => void
}

/** What comes back, and what goes for it, before it does. */
function Restore({ tenant, entry, present, onClose, onRead, onRestored }: RestoreProps): ReactElement {
  const queries = useQueryClient()
  const [fault, setFault] = useState('')
  const [isUnderWay, setUnderWay] = useState(false)
  const [requestId, setRequestId] = useState(() => crypto.randomUUID())
  /** What goes for it. */
  const [now, setNow] = useState(present)
  const back = backTo(entry)
  /** Reads what somebody else has made of it, so that it is seen before the next press takes that back, too. */
  const readAgain = async (): Promise<void> => {
    void forgetLists(queries, tenant)
    const read = await getObject(tenant, entry.kind, entry.id)
    if (read.kind === 'failed' && read.failure.kind !== 'not-found') return setFault(wordsOf(read.failure))
    const found = read.kind === 'ok' ? read.value : undefined
    setNow(found)
    setRequestId(crypto.randomUUID())
    if (found !== undefined) onRead?.(found)
    setFault(t('setup.history.conflict'))
  }
  const restore = async (): Promise<void> => {
    if (isUnderWay) return
    setUnderWay(true)
    setFault('')
    // Somebody else may have signed in meanwhile, in whose name nothing is to be put back.
    await refreshAccount()
    const outcome = await restoreObject(tenant, requestId, entry.kind, entry.id, back.revision, now?.revision ?? 0)
    if (outcome.kind === 'conflict') await readAgain()
    setUnderWay(false)
    if (outcome.kind === 'failed') {
      noteRefusal(outcome.failure)
      return setFault(wordsOf(outcome.failure))
    }
    if (outcome.kind === 'conflict') return
    if (outcome.kind === 'faults') return setFault(outcome.faults.map((fault) => wordsOfFault(fault)).join(' '))
    say(t('setup.history.restored'))
    const change = outcome.value.changes.find(({ kind, id }) => kind === entry.kind && id === entry.id)
    onRestored({ id: entry.id, revision: change?.revision ?? outcome.value.revision, object: change?.after ?? back.object ?? {} })
    await forgetLists(queries, tenant)
  }
  return (
    <Dialog
      title={t('setup.history.restoreTitle', { time: dateAndTime(entry.at) })}
      onClose={onClose}
      actions={
        <>
          <Button tone="main" onClick={() => void restore()}>
            {isUnderWay ? t('setup.review.applying') : t('setup.history.restore')}
          </Button>
          <Button onClick={onClose}>{t('setup.review.cancel')}</Button>
        </>
      }
    >
      {fault === '' ? null : <p role="alert">{fault}</p>}
      <p>{t('setup.history.secretsStay')}</p>
      {losesSecret(now?.object ?? null, back.object) ? <p>{t('setup.history.secretOfIssuer')}</p> : null}
      <ChangeList changes={[{ kind: entry.kind, id: entry.id, before: now?.object ?? null, after: back.object }]} />
    </Dialog>
  )
}
