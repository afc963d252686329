import { QueryClient } from '@tanstack/react-query'

/** What the pages have asked for, so that a page that comes back shows at once what it showed before. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A browser without internet still reaches an installation in its own network.
      networkMode: 'always',
      retry: false,
      gcTime: 60_000,
    },
  },
})
