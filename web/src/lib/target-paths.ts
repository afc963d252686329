/** Addresses of the Workspace API for what stands beside calls; apart from the others, which are loaded with every page. */

const part = encodeURIComponent
const workspace = '/workspace/v3'
const query = (values: Readonly<Record<string, string>>): string => `?${new URLSearchParams(values).toString()}`

const limited = (limit: number): string => query({ limit: String(limit) })

/** Those of whom a call can go to, of the own favourites, recents and contacts, and of numbers that are counted. */
export const targetPaths = {
  search: (searchTerm: string, types: readonly string[], limit: number): string => `${workspace}/targets${query({ searchTerm, types: types.join(','), limit: String(limit) })}`,
  target: (type: string, id: string): string => `${workspace}/targets/${part(type)}/${part(id)}`,
  favourites: (limit: number): string => `${workspace}/targets/personal-favorites${limited(limit)}`,
  saveFavourite: (): string => `${workspace}/targets/personal-favorites/save`,
  deleteFavourite: (type: string, id: string): string => `${workspace}/targets/personal-favorites/delete/${part(type)}/${part(id)}`,
  recents: (limit: number): string => `${workspace}/targets/recents${limited(limit)}`,
  seenMissed: (): string => `${workspace}/targets/recents/ack-missed-calls`,
  contacts: (limit: number): string => `${workspace}/contacts${limited(limit)}`,
  addContact: (): string => `${workspace}/contacts`,
  contact: (id: string): string => `${workspace}/contacts/${part(id)}`,
  subscribe: (): string => `${workspace}/reporting/subscriptions`,
  subscription: (id: string): string => `${workspace}/reporting/subscriptions/${part(id)}`,
}
