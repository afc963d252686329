/** Agent Setup and the desktop have the addresses that GWS has for them, too. Their pages stand at one address all the same: before anything looks at it, the address becomes ours. */

const OURS: Readonly<Record<string, string>> = { '/ui/provisioning': '/agent-setup', '/ui/wwe': '/desktop' }

/** Our address of a page that was asked for by the other one; undefined for all others. */
export function ourAddress(pathname: string): string | undefined {
  const found = Object.entries(OURS).find(([published]) => pathname === published || pathname.startsWith(`${published}/`))
  return found === undefined ? undefined : found[1] + pathname.slice(found[0].length)
}
