/** A new tab of these pages gets the token from one that is open. It goes from page to page of the same origin within the
 *  browser: it is in no address, no history and no file, and is forgotten when the last tab is closed. */

import { currentSession, signIn, type Keep } from './session'

/** The part of BroadcastChannel that is needed. */
export type Channel = {
  readonly postMessage: (message: unknown) => void
  readonly addEventListener: (kind: 'message', heard: (event: { readonly data: unknown }) => void) => void
}

export const CHANNEL = 'trunkline.session'

type Asked = { readonly kind: 'asked' }
type Told = { readonly kind: 'told'; readonly token: string; readonly tenant: string; readonly usedAt: number }

/** Tells tabs that ask. `usedAt` says when somebody last did something in this one: of several, that one is meant. */
export function tellOthers(channel: Channel, keep: Keep, usedAt: () => number): void {
  channel.addEventListener('message', ({ data }) => {
    const session = currentSession(keep)
    if (!isAsked(data) || session === undefined) return
    const told: Told = { kind: 'told', token: session.token, tenant: session.tenant, usedAt: usedAt() }
    channel.postMessage(told)
  })
}

/** Asks the open tabs and keeps what the one tells that was used last; `pause` ends when nobody else is waited for. */
export async function askOthers(channel: Channel, keep: Keep, pause: Promise<void>): Promise<'told' | 'nobody'> {
  let best: Told | undefined
  channel.addEventListener('message', ({ data }) => {
    if (isTold(data) && (best === undefined || data.usedAt > best.usedAt)) best = data
  })
  const asked: Asked = { kind: 'asked' }
  channel.postMessage(asked)
  await pause
  if (best === undefined) return 'nobody'
  signIn(best.token, best.tenant, keep)
  return 'told'
}

function isAsked(data: unknown): data is Asked {
  return typeof data === 'object' && data !== null && 'kind' in data && data.kind === 'asked'
}

function isTold(data: unknown): data is Told {
  if (typeof data !== 'object' || data === null || !('kind' in data) || data.kind !== 'told') return false
  return 'token' in data && typeof data.token === 'string' && data.token !== '' && 'tenant' in data && typeof data.tenant === 'string' && 'usedAt' in data && typeof data.usedAt === 'number'
}
