/** Which page an address names, and what of it is looked at. */

import { createRootRoute, createRoute, createRouter, parseSearchWith, stringifySearchWith } from '@tanstack/react-router'
import { App, UnknownPage } from './App'
import { TopologyPage, TracePage, TracesPage, WallboardPage } from './pages'

/** What the topology's page shows of all its lines; in the address, so that it can be sent to somebody. */
export type TopologySearch = { readonly find?: string; readonly state?: string }

const root = createRootRoute({ component: App, notFoundComponent: UnknownPage })

const wallboard = createRoute({ getParentRoute: () => root, path: '/', component: WallboardPage })

const topology = createRoute({
  getParentRoute: () => root,
  path: '/topology',
  validateSearch: ({ find, state }: Record<string, unknown>): TopologySearch => ({
    ...(typeof find === 'string' && find !== '' ? { find } : {}),
    ...(typeof state === 'string' && state !== '' ? { state } : {}),
  }),
  component: TopologyPage,
})

const traces = createRoute({ getParentRoute: () => root, path: '/trace', component: TracesPage })

const trace = createRoute({ getParentRoute: () => root, path: '/trace/$call', component: TracePage })

export const router = createRouter({
  routeTree: root.addChildren([wallboard, topology, traces, trace]),
  scrollRestoration: true,
  // Values are words as they stand there: a search for 5060 is no number.
  parseSearch: parseSearchWith((value) => value),
  stringifySearch: stringifySearchWith(String),
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
