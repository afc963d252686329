/** API keys in words, and what a new one may be. */

import type { Fault } from '../../api/agent-setup'
import type { ApiKey, ApiKeyWanted } from '../../api/api-keys'
import { t, type PlainText } from '../../lib/i18n'
import { wordsOfRule } from './rules'

const DAY_MS = 86_400_000
/** No key lives longer. */
const LIFE_MOST_DAYS = 730
const NAME_MOST = 100
/** Before its end there is still time to make another one. */
const SOON_MS = 14 * DAY_MS

// === those that there are ===

export type KeyState = 'active' | 'ending' | 'ended' | 'revoked'

export const STATES: Readonly<Record<KeyState, PlainText>> = {
  active: 'setup.apiKeys.active',
  ending: 'setup.apiKeys.ending',
  ended: 'setup.apiKeys.ended',
  revoked: 'setup.apiKeys.revoked',
}

export function stateOf({ revokedAt, endsAt }: Pick<ApiKey, 'revokedAt' | 'endsAt'>, now: number): KeyState {
  if (revokedAt !== undefined) return 'revoked'
  if (endsAt <= now) return 'ended'
  return endsAt - now <= SOON_MS ? 'ending' : 'active'
}

/** Whether it still opens something, and so can be revoked. */
export const isGood = (state: KeyState): boolean => state === 'active' || state === 'ending'

// === what one may ===

const SCOPES: Readonly<Record<string, PlainText>> = {
  'calls:read': 'setup.scope.callsRead',
  'calls:control': 'setup.scope.callsControl',
  'calls:monitor': 'setup.scope.callsMonitor',
  'agents:control': 'setup.scope.agentsControl',
  'agents:supervise': 'setup.scope.agentsSupervise',
  'workspace:use': 'setup.scope.workspaceUse',
  'statistics:read': 'setup.scope.statisticsRead',
  webhooks: 'setup.scope.webhooks',
  'trace:read': 'setup.scope.traceRead',
  'topology:read': 'setup.scope.topologyRead',
  'config:read': 'setup.scope.configRead',
  'config:write': 'setup.scope.configWrite',
}
/** They say who somebody is, which a key does not. */
const OF_IDENTITY = new Set(['openid', 'profile', 'email', 'offline_access'])

/** Those of the maker that a key can have, in one order; nobody hands out more than they have. */
export function offered(ofMaker: readonly string[]): readonly string[] {
  const known = Object.keys(SCOPES)
  return [...known.filter((scope) => ofMaker.includes(scope)), ...ofMaker.filter((scope) => !known.includes(scope) && !OF_IDENTITY.has(scope))]
}

/** Undefined for one of a later release. */
export function wordsOfScope(scope: string): string | undefined {
  const words = Object.hasOwn(SCOPES, scope) ? SCOPES[scope] : undefined
  return words === undefined ? undefined : t(words)
}

// === a new one ===

/** After how many days it ends, where that is no day of its own. The server's own time is a year. */
export const LIVES = ['30', '90', '180', 'year', 'day'] as const
export type Life = (typeof LIVES)[number]

export type KeyDraft = {
  readonly name: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly life: Life
  /** The last day, as `2026-12-31`, where `life` is that. */
  readonly day: string
}

export const EMPTY_KEY: KeyDraft = { name: '', client: '', scopes: [], life: 'year', day: '' }

export function isEmptyKey({ name, client, scopes, life, day }: KeyDraft): boolean {
  return name === '' && client === '' && scopes.length === 0 && life === EMPTY_KEY.life && day === ''
}

/** The end of a day in the browser's time zone; undefined where it is none. */
function endOf(day: string): number | undefined {
  const at = Date.parse(`${day}T23:59:59`)
  return Number.isNaN(at) ? undefined : at
}

/** What is asked for; needs a draft without faults. */
export function wantedOf({ name, client, scopes, life, day }: KeyDraft, now: number): ApiKeyWanted {
  const at = life === 'year' ? undefined : life === 'day' ? endOf(day) : now + Number(life) * DAY_MS
  return { name: name.trim(), client: client.trim(), scopes, endsAt: at === undefined ? '' : new Date(at).toISOString() }
}

/** The days among which the last one of a key is. */
export function lastDays(now: number): { readonly min: string; readonly max: string } {
  const two = (value: number): string => String(value).padStart(2, '0')
  const dayAt = (at: number): string => {
    const date = new Date(at)
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  }
  return { min: dayAt(now), max: dayAt(now + (LIFE_MOST_DAYS - 1) * DAY_MS) }
}

export const KEY_FIELDS = ['name', 'scopes', 'expires_at', 'client'] as const
export type KeyField = (typeof KEY_FIELDS)[number]
/** What is wrong by field, `` of the whole. */
export type KeyFaults = Readonly<Partial<Record<KeyField | '', readonly string[]>>>

/** What can be said without the server. */
export function faultsOfKey({ name, scopes, life, day }: KeyDraft, now: number): KeyFaults {
  const ofName = name.trim() === '' ? t('setup.fault.needed') : [...name.trim()].length > NAME_MOST ? t('setup.apiKeys.longName', { most: NAME_MOST }) : undefined
  const { min, max } = lastDays(now)
  const ofEnd = life !== 'day' ? undefined : endOf(day) === undefined ? t('setup.fault.needed') : day < min || day > max ? t('setup.apiKeys.wrongDay') : undefined
  return {
    ...(ofName === undefined ? {} : { name: [ofName] }),
    ...(scopes.length > 0 ? {} : { scopes: [t('setup.apiKeys.noScope')] }),
    ...(ofEnd === undefined ? {} : { expires_at: [ofEnd] }),
  }
}

/** What the server says, at its fields. */
export function serverFaultsOfKey(faults: readonly Fault[]): KeyFaults {
  const found: Partial<Record<KeyField | '', readonly string[]>> = {}
  for (const fault of faults) {
    const field = KEY_FIELDS.find((one) => one === fault.field) ?? ''
    found[field] = [...(found[field] ?? []), wordsOfRule(fault)]
  }
  return found
}
