import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { TenantSwitch } from './TenantSwitch'

test('the way to another tenant asks for the tenant, and names none', () => {
  expect(apiPaths.signInElsewhere('/trace?x=1')).toBe('/session/sign-in?to=%2Ftrace%3Fx%3D1&tenant=')
  const html = renderToStaticMarkup(<TenantSwitch />)
  expect(html).toContain('href="/session/sign-in?to=%2F&amp;tenant="')
  expect(html).toContain(`>${t('session.otherTenant')}</a>`)
})
