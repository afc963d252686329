/** Which page an address names, and what of it is looked at. Each application is loaded when one of its pages is. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent, parseSearchWith, stringifySearchWith } from '@tanstack/react-router'
import { addTexts } from '../../lib/i18n'
import { Shell, UnknownPage } from './Shell'

/** What the topology's page shows of all its lines; in the address, so that it can be sent to somebody. */
export type TopologySearch = { readonly find?: string; readonly state?: string }

/** What a list of Agent Setup shows. */
export type ListSearch = { readonly q?: string; readonly skill?: string; readonly disabled?: string }

/** What a new object begins with. */
export type NewSearch = { readonly type?: string; readonly like?: string; readonly place?: string }

/** What of the sign-ins is looked at; times as RFC 3339 has them. */
export type SignInSearch = { readonly person?: string; readonly event?: string; readonly since?: string; readonly until?: string }

const root = createRootRoute({ component: Shell, notFoundComponent: UnknownPage })

// === dashboards ===

const dashboardsPages = () => import('../dashboards/pages')
const dashboards = createRoute({ getParentRoute: () => root, id: 'dashboards', component: lazyRouteComponent(() => import('../dashboards/Dashboards'), 'Dashboards') })

const wallboard = createRoute({ getParentRoute: () => dashboards, path: '/', component: lazyRouteComponent(dashboardsPages, 'WallboardPage') })

const topology = createRoute({
  getParentRoute: () => dashboards,
  path: '/topology',
  validateSearch: (search: Record<string, unknown>): TopologySearch => texts(search, ['find', 'state']),
  component: lazyRouteComponent(dashboardsPages, 'TopologyPage'),
})

const traces = createRoute({ getParentRoute: () => dashboards, path: '/trace', component: lazyRouteComponent(dashboardsPages, 'TracesPage') })

const trace = createRoute({ getParentRoute: () => dashboards, path: '/trace/$call', component: lazyRouteComponent(dashboardsPages, 'TracePage') })

// === agent setup ===

const setupPages = async () => {
  const [pages] = await Promise.all([import('../agent-setup/pages'), addTexts('agent-setup')])
  return pages
}

const setupObjectPages = async () => {
  const [pages] = await Promise.all([import('../agent-setup/object-pages'), addTexts('agent-setup'), addTexts('agent-setup-forms')])
  return pages
}

const setupSignInPages = async () => {
  const [pages] = await Promise.all([import('../agent-setup/sign-in-pages'), addTexts('agent-setup'), addTexts('sign-ins')])
  return pages
}

const setupApiKeyPages = async () => {
  const [pages] = await Promise.all([import('../agent-setup/api-key-pages'), addTexts('agent-setup'), addTexts('agent-setup-forms'), addTexts('api-keys')])
  return pages
}

const setup = createRoute({ getParentRoute: () => root, path: '/agent-setup', component: lazyRouteComponent(setupPages, 'AgentSetup') })

const setupStart = createRoute({ getParentRoute: () => setup, path: '/', component: lazyRouteComponent(setupPages, 'StartPage') })

const setupList = createRoute({
  getParentRoute: () => setup,
  path: '/$section',
  validateSearch: (search: Record<string, unknown>): ListSearch => texts(search, ['q', 'skill', 'disabled']),
  component: lazyRouteComponent(setupPages, 'ListPage'),
})

const setupObject = createRoute({ getParentRoute: () => setup, path: '/$section/$id', component: lazyRouteComponent(setupObjectPages, 'ObjectPage') })

/** No section has these names. */
const setupNew = createRoute({
  getParentRoute: () => setup,
  path: '/new/$section',
  validateSearch: (search: Record<string, unknown>): NewSearch => texts(search, ['type', 'like', 'place']),
  component: lazyRouteComponent(setupObjectPages, 'NewPage'),
})

const setupImport = createRoute({ getParentRoute: () => setup, path: '/import', component: lazyRouteComponent(setupObjectPages, 'ImportPage') })

const setupDialRules = createRoute({ getParentRoute: () => setup, path: '/dial-rules', component: lazyRouteComponent(setupObjectPages, 'DialRulesPage') })

const setupTenant = createRoute({ getParentRoute: () => setup, path: '/tenant', component: lazyRouteComponent(setupObjectPages, 'TenantPage') })

const setupSignIns = createRoute({
  getParentRoute: () => setup,
  path: '/sign-ins',
  validateSearch: (search: Record<string, unknown>): SignInSearch => texts(search, ['person', 'event', 'since', 'until']),
  component: lazyRouteComponent(setupSignInPages, 'SignInsPage'),
})

const setupApiKeys = createRoute({ getParentRoute: () => setup, path: '/api-keys', component: lazyRouteComponent(setupApiKeyPages, 'ApiKeysPage') })

const setupHistory = createRoute({ getParentRoute: () => setup, path: '/history', component: lazyRouteComponent(setupObjectPages, 'HistoryPage') })

// === desktop ===

const desktopPages = async () => {
  const [pages] = await Promise.all([import('../desktop/pages'), addTexts('desktop')])
  return pages
}

const desktop = createRoute({ getParentRoute: () => root, path: '/desktop', component: lazyRouteComponent(desktopPages, 'DesktopPage') })

export const router = createRouter({
  routeTree: root.addChildren([
    dashboards.addChildren([wallboard, topology, traces, trace]),
    setup.addChildren([setupStart, setupList, setupObject, setupNew, setupImport, setupDialRules, setupTenant, setupSignIns, setupApiKeys, setupHistory]),
    desktop,
  ]),
  scrollRestoration: true,
  // Values are words as they stand there: a search for 5060 is no number.
  parseSearch: parseSearchWith((value) => value),
  stringifySearch: stringifySearchWith(String),
})

/** Those of the words of an address that are known and there. */
function texts<K extends string>(search: Record<string, unknown>, names: readonly K[]): { readonly [key in K]?: string } {
  const given = names.flatMap((name) => {
    const value = search[name]
    return typeof value === 'string' && value !== '' ? [[name, value] as const] : []
  })
  return Object.fromEntries(given) as { readonly [key in K]?: string }
}

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
