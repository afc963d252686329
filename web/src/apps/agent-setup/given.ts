/** What an address says of a filter: without what says nothing, so that addresses stay short. */
export function given(filter: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''))
}
