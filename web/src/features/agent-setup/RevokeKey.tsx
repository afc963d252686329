import { useState, type ReactElement } from 'react'
import { revokeApiKey, type ApiKey } from '../../api/api-keys'
import { t } from '../../lib/i18n'
import { refreshAccount } from '../../live/account'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { say } from '../../ui/toast'
import { wordsOf } from './failures'
import { wordsOfRule } from './rules'
import { noteRefusal } from './refusal'

export type RevokeKeyProps = { readonly tenant: string; readonly apiKey: ApiKey; readonly onClose: () => void; readonly onRevoked: () => void }

/** Asks before a key is revoked: its programs stand before closed doors at once, and it does not come back. */
export function RevokeKey({ tenant, apiKey: { id, name, usedAt }, onClose, onRevoked }: RevokeKeyProps): ReactElement {
  const [fault, setFault] = useState('')
  const [isUnderWay, setUnderWay] = useState(false)
  const revoke = async (): Promise<void> => {
    if (isUnderWay) return
    setUnderWay(true)
    setFault('')
    // Somebody else may have signed in meanwhile, in whose name nothing is to be revoked.
    await refreshAccount()
    const outcome = await revokeApiKey(tenant, id)
    setUnderWay(false)
    if (outcome.kind === 'ok') {
      say(t('setup.apiKeys.isRevoked', { name }))
      return onRevoked()
    }
    if (outcome.kind === 'faults') return setFault(outcome.faults.map((one) => wordsOfRule(one)).join(' '))
    if (outcome.kind === 'conflict') return setFault(t('setup.rule.stale'))
    noteRefusal(outcome.failure)
    setFault(wordsOf(outcome.failure))
  }
  return (
    <Dialog
      title={t('setup.apiKeys.revokeTitle', { name })}
      onClose={onClose}
      actions={
        <>
          <Button tone="danger" onClick={() => void revoke()}>
            {isUnderWay ? t('setup.apiKeys.revoking') : t('setup.apiKeys.revoke')}
          </Button>
          <Button onClick={onClose}>{t('setup.review.cancel')}</Button>
        </>
      }
    >
      {fault === '' ? null : <p role="alert">{fault}</p>}
      <p>
        <code>tlk_{id}_…</code>
      </p>
      <p>{t('setup.apiKeys.revokeWhat')}</p>
      {usedAt === undefined ? <p>{t('setup.apiKeys.neverUsed')}</p> : null}
    </Dialog>
  )
}
