/** The applications: where each begins, and whom it is for. */

import type { AccountState } from '../../live/account'
import type { PlainText } from '../../lib/i18n'

export type Application = {
  readonly name: 'dashboards' | 'agent-setup' | 'desktop'
  readonly to: '/' | '/agent-setup' | '/desktop'
  readonly text: PlainText
  /** Whoever has one of them may use it. */
  readonly privileges: readonly string[]
}

const DASHBOARDS: Application = { name: 'dashboards', to: '/', text: 'apps.dashboards', privileges: ['view_dashboard', 'view_dashboard_restricted'] }
/** Designers and integrators look at it and change nothing. */
export const AGENT_SETUP: Application = { name: 'agent-setup', to: '/agent-setup', text: 'apps.agentSetup', privileges: ['administrator', 'folder_administrator', 'designer', 'integrator'] }
export const DESKTOP: Application = { name: 'desktop', to: '/desktop', text: 'apps.desktop', privileges: ['agent', 'supervisor'] }

export const APPLICATIONS: readonly Application[] = [DASHBOARDS, DESKTOP, AGENT_SETUP]

/** The one to which an address belongs. */
export function applicationAt(pathname: string): Application {
  return [AGENT_SETUP, DESKTOP].find(({ to }) => pathname === to || pathname.startsWith(`${to}/`)) ?? DASHBOARDS
}

/** Whether the page of the topology is offered: it is of all tenants together, and nobody who signs in to one of them may read it. */
export function offersTopology(state: AccountState, hasToken: boolean): boolean {
  return hasToken || !('account' in state) || state.account.scopes.includes('topology:read')
}

/** Whether the page of the traces is offered: not to people who may not read any. */
export function offersTraces(state: AccountState, hasToken: boolean): boolean {
  return hasToken || !('account' in state) || state.account.scopes.includes('trace:read')
}

/** Those to which somebody can go from one of them. */
export function othersFor(state: AccountState, from: Application, hasToken: boolean): readonly Application[] {
  const may = (application: Application): boolean => {
    if (application.name === 'dashboards' && hasToken) return true
    return 'account' in state && application.privileges.some((privilege) => state.account.privileges.includes(privilege))
  }
  return APPLICATIONS.filter((application) => application !== from && may(application))
}
