import { useEffect, useMemo, useRef, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { isAbout } from '../../lib/shortcuts'
import { accountNow } from '../../live/account'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { useShortcut } from '../../ui/use-shortcut'
import { ChangeList } from './ChangeList'
import { deletedIn, shutsOut, type Flow } from './change-flow'
import { wordsOf } from './failures'
import { Uses } from './Uses'

export type ReviewProps = {
  readonly tenant: string
  readonly flow: Extract<Flow, { kind: 'review' | 'applying' }>
  /** What is to be known beside the changes. */
  readonly note?: string
  readonly onConfirm: () => void
  readonly onCancel: () => void
}

/** What will change, before it does; nothing is made without a press here. */
export function Review({ tenant, flow, note, onConfirm, onCancel }: ReviewProps): ReactElement {
  const deleted = useMemo(() => deletedIn(flow.proposal, flow.changes), [flow.proposal, flow.changes])
  const account = accountNow()
  const isOwn = 'account' in account && shutsOut(account.account.user, flow.proposal, flow.changes)
  const only = deleted.length === 1 ? deleted[0] : undefined
  const failure = flow.kind === 'review' ? flow.failure : undefined
  return (
    <Dialog
      title={deleted.length > 0 ? t('setup.review.deleteTitle') : t('setup.review.title', { count: flow.changes.length })}
      onClose={onCancel}
      actions={
        <>
          <Button tone={deleted.length > 0 ? 'danger' : 'main'} onClick={onConfirm}>
            {flow.kind === 'applying' ? t('setup.review.applying') : deleted.length > 0 ? t('setup.review.delete') : t('setup.review.confirm')}
          </Button>
          <Button onClick={onCancel}>{t('setup.review.cancel')}</Button>
        </>
      }
    >
      <ConfirmKey onConfirm={onConfirm} />
      {failure === undefined ? null : (
        <p role="alert">
          {wordsOf(failure)} {t('setup.review.again')}
        </p>
      )}
      {note === undefined ? null : <p>{note}</p>}
      {isOwn ? (
        <p>
          <strong>{t('setup.review.own')}</strong>
        </p>
      ) : null}
      {only === undefined ? null : <Uses tenant={tenant} kind={only.kind} id={only.id} />}
      <ChangeList changes={flow.changes} secrets={flow.proposal.secrets} removed={flow.proposal.removed} />
    </Dialog>
  )
}

/** Ctrl+Enter in the window, which is not beneath another one. */
function ConfirmKey({ onConfirm }: { readonly onConfirm: () => void }): null {
  const shownAt = useRef(Infinity)
  useEffect(() => {
    shownAt.current = performance.now()
  }, [])
  // The same key has asked for the review: pressed twice, it would save what nobody has read.
  useShortcut('Ctrl+Enter', t('setup.review.confirm'), () => {
    if (isAbout(shownAt.current, performance.now())) onConfirm()
  })
  return null
}
