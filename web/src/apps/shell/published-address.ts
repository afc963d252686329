/** Agent Setup has the address that GWS has for it, too. Its pages stand at one address all the same: before anything looks at it, the address becomes ours. */

const PUBLISHED = '/ui/provisioning'
const OURS = '/agent-setup'

/** Our address of a page of Agent Setup that was asked for by the other one; undefined for all others. */
export function ourAddress(pathname: string): string | undefined {
  if (pathname !== PUBLISHED && !pathname.startsWith(`${PUBLISHED}/`)) return undefined
  return OURS + pathname.slice(PUBLISHED.length)
}
