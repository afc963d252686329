import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'

export type AskSignOutProps = { readonly onStay: () => void; readonly onOut: () => void }

/** Before a sign-out drops what is typed. */
export function AskSignOut({ onStay, onOut }: AskSignOutProps): ReactElement {
  return (
    <Dialog
      title={t('session.outTitle')}
      onClose={onStay}
      actions={
        <>
          <Button tone="main" onClick={onStay}>
            {t('session.outStay')}
          </Button>
          <Button tone="danger" onClick={onOut}>
            {t('session.outGo')}
          </Button>
        </>
      }
    >
      <p>{t('session.outWhat')}</p>
    </Dialog>
  )
}
