import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { isOnCall, isUnsaved } from '../../lib/unsaved'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'

export type AskSignOutProps = { readonly onStay: () => void; readonly onOut: () => void }

/** Before a sign-out ends a call or drops what is typed. */
export function AskSignOut({ onStay, onOut }: AskSignOutProps): ReactElement {
  // The words about calls came with the desktop: without it there is none.
  const [title, go] = isOnCall() ? [t('work.signOut.title'), t('work.signOut.go')] : [t('session.outTitle'), t('session.outGo')]
  return (
    <Dialog
      title={title}
      onClose={onStay}
      actions={
        <>
          <Button tone="main" onClick={onStay}>
            {t('session.outStay')}
          </Button>
          <Button tone="danger" onClick={onOut}>
            {go}
          </Button>
        </>
      }
    >
      {isOnCall() ? <p>{t('work.signOut.what')}</p> : null}
      {isUnsaved() ? <p>{t('session.outWhat')}</p> : null}
    </Dialog>
  )
}
