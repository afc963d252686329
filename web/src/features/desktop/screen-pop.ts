/** The page about a caller that opens with a call: an address with places for what is known of it. */

import type { Call, Configuration } from '../../api/workspace-shapes'
import { queueOf } from './words'

/** Settings: the address, and whether it opens as the call `rings` or is `answered`. */
const ADDRESS = 'screen-pop.url'
const WHEN = 'screen-pop.when'
const VALUE_MAX = 500

/** What stands before the path holds no place: data of a caller must not say which site opens. */
const SAFE = /^https?:\/\/[^/?#{}@\s]+([/?#]|$)/i

export type ScreenPop = { readonly url: string; readonly when: 'rings' | 'answered' }

/** The page for a call; undefined where the tenant has none, or its address leads nowhere. */
export function screenPopOf(call: Call, configuration: Configuration | undefined, agent: string): ScreenPop | undefined {
  const template = configuration?.settings[ADDRESS] ?? ''
  if (!SAFE.test(template)) return undefined
  const own = new Map(Object.entries({ number: call.number, dialled: call.dialled, call: call.id, type: call.type, queue: queueOf(call), agent }))
  const filled = template.replace(/\{([^{}]+)\}/g, (_, name: string) => encodeURIComponent(wellFormed(valueOf(own, call, name).slice(0, VALUE_MAX))))
  if (depthOf(filled) !== depthOf(template.replace(/\{([^{}]+)\}/g, 'x'))) return undefined
  return { url: filled, when: configuration?.settings[WHEN] === 'rings' ? 'rings' : 'answered' }
}

/** Half of a pair, as a cut leaves it, cannot be written into an address. */
function wellFormed(value: string): string {
  return value.replace(/\p{Surrogate}/gu, '\uFFFD')
}

/** How many parts the path has. Data of a caller that is `..` would lead to another page of the site. */
function depthOf(address: string): number {
  return URL.canParse(address) ? new URL(address).pathname.split('/').length : 0
}

/** `{data.NAME}` is a pair of the call's data, also where it is named as something else is. */
function valueOf(own: ReadonlyMap<string, string>, call: Call, name: string): string {
  const key = name.startsWith('data.') ? name.slice('data.'.length) : name
  return (key === name ? own.get(name) : undefined) ?? call.data.find((pair) => pair.key === key)?.value ?? ''
}

/** How long a tab waits before it opens the page, so that of several the one does that the agent works in. */
export function popsAfterMs({ isPressed, isSeen, isFocused }: { readonly isPressed: boolean; readonly isSeen: boolean; readonly isFocused: boolean }): number {
  if (isPressed) return 0
  if (isFocused) return 200
  return isSeen ? 400 : 800
}

const POPPED = 'trunkline.popped'

/** Whether no tab has opened the page of that call yet; from now on this one has. */
export function popsHere(call: string, keep: Pick<Storage, 'getItem' | 'setItem'>): boolean {
  if (keep.getItem(POPPED) === call) return false
  keep.setItem(POPPED, call)
  return true
}

/** Whether the page opens by itself now: with the change that the setting names, and not for calls that the agent has begun. */
export function opensNow(when: ScreenPop['when'], before: Call['phase'] | undefined, call: Call): boolean {
  if (call.type === 'Consult' || call.type === 'Outbound') return false
  return when === 'rings' ? call.phase === 'Ringing' && before === undefined : call.phase === 'Established' && before === 'Ringing'
}
