/** Which org frames the softphone. */

/**
 * The origin of the org, among those that the server lets frame the page: what the browser says of the page around, else where it came from.
 * A browser that says neither has let one of them frame it, so where there is one alone it is that one. Undefined outside of a frame.
 */
export function orgAround(orgs: readonly string[], around: { readonly isFramed: boolean; readonly ancestor: string | undefined; readonly referrer: string }): string | undefined {
  const { isFramed, ancestor, referrer } = around
  if (!isFramed) return undefined
  const named = [ancestor, originOf(referrer)].find((origin) => origin !== undefined && orgs.includes(origin))
  return named ?? (ancestor === undefined && orgs.length === 1 ? orgs[0] : undefined)
}

function originOf(address: string): string | undefined {
  return URL.canParse(address) ? new URL(address).origin : undefined
}

/** Where an org has the library. */
export const libraryOf = (org: string, version: string): string => `${org}/support/api/${version}/lightning/opencti_min.js`
