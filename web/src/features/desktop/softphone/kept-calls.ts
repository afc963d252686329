/** Names of the dialogs in which the phone talks, kept in the browser: a page that is loaded again, or another tab, goes on with its calls. What rings comes by itself. */

import type { DialogName } from '../../../live/sip-phone'

export type KeptCall = { readonly call: string; readonly number: string; readonly dialog: DialogName }

/** The calls, and whether their agent was muted in them. */
export type Kept = { readonly calls: readonly KeptCall[]; readonly isMuted: boolean }

export type KeptCalls = {
  readonly read: (now: number) => Kept
  /** To be called now and then while there are calls: what is old is not believed. */
  readonly write: (kept: Kept, now: number) => void
}

/** The server ends what nobody takes over after half a minute; a page may be slow to load. */
const BELIEVED_MS = 60_000
const CALLS_MAX = 10

/** What the phone of a number is called in this browser: tenants may have the same numbers. */
export const phoneName = (tenant: string, number: string): string => `trunkline.phone.${tenant}.${number}`

/** Those of the phone of that name. */
export function keptCalls(name: string, keep: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>): KeptCalls {
  return {
    read: (now) => {
      const kept = parsed(keep.getItem(name))
      return kept !== undefined && Math.abs(now - kept.at) <= BELIEVED_MS ? kept : { calls: [], isMuted: false }
    },
    write: ({ calls, isMuted }, now) => {
      if (calls.length === 0) keep.removeItem(name)
      else keep.setItem(name, JSON.stringify({ at: now, calls: calls.slice(-CALLS_MAX), isMuted }))
    },
  }
}

function parsed(text: string | null): (Kept & { readonly at: number }) | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    if (typeof value !== 'object' || value === null || !('at' in value) || !('calls' in value)) return undefined
    if (typeof value.at !== 'number' || !Array.isArray(value.calls)) return undefined
    return { at: value.at, calls: value.calls.filter(isKept).slice(-CALLS_MAX), isMuted: 'isMuted' in value && value.isMuted === true }
  } catch {
    return undefined
  }
}

function isKept(value: unknown): value is KeptCall {
  const has = (of: unknown, names: readonly string[]): boolean => typeof of === 'object' && of !== null && names.every((name) => typeof Object.entries(of).find(([key]) => key === name)?.[1] === 'string')
  if (typeof value !== 'object' || value === null || !has(value, ['call', 'number'])) return false
  return 'dialog' in value && has(value.dialog, ['callId', 'localTag', 'remoteTag'])
}
