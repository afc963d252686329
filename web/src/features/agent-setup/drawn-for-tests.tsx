/** Pages as tests draw them, without a browser. */

import { QueryClient, QueryClientProvider, type QueryState } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRouter, RouterContextProvider, stringifySearchWith } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { sectionAt, type Section } from './sections'

export const section = (path: string): Section => {
  const found = sectionAt(path)
  if (found === undefined) throw new Error(`no section ${path}`)
  return found
}

/** A page as it is drawn with what the server has answered before, and how asking for that has failed since. */
export function drawn(page: ReactElement, answers: readonly (readonly [readonly unknown[], unknown])[] = [], failed: Partial<QueryState> = {}): string {
  const queries = new QueryClient()
  for (const [key, value] of answers) {
    queries.setQueryData(key, value)
    queries.getQueryCache().find({ queryKey: key })?.setState(failed)
  }
  const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory(), stringifySearch: stringifySearchWith(String) })
  return renderToStaticMarkup(
    <QueryClientProvider client={queries}>
      <RouterContextProvider router={router as never}>{page}</RouterContextProvider>
    </QueryClientProvider>,
  )
}

export const nothing = (): void => undefined
