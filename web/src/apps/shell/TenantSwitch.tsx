import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { buttonClass } from '../../ui/Button'

/** The way to the sign-in for another tenant. It leads to the first page: what is open here is of this tenant. */
export function TenantSwitch(): ReactElement {
  return (
    <a className={buttonClass()} href={apiPaths.signInElsewhere('/')}>
      {t('session.otherTenant')}
    </a>
  )
}
