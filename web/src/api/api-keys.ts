/** API keys of a tenant, as Agent Setup shows, makes and revokes them. A key itself is in one answer alone, and nothing here keeps it. */

import { setupPaths } from '../lib/paths'
import { ask, type Outcome } from './agent-setup'
import type { Read } from './agent-setup-answers'
import type { components } from './generated/agent-setup'
import { isApiKeyMade, isApiKeysShown } from './generated/api-keys-checks'

type Schemas = components['schemas']
type Shown = Schemas['ShownApiKeyRecord']

/** A key without its secret. Times in milliseconds since 1970; undefined for what has not happened. */
export type ApiKey = {
  /** The part of the key between `tlk_` and its secret. */
  readonly id: string
  readonly name: string
  /** Empty: it is of the tenant. */
  readonly client: string
  readonly scopes: readonly string[]
  /** A token's subject, as `person/ann`, or the user of the machine. */
  readonly madeBy: string
  readonly madeAt: number
  readonly endsAt: number
  readonly usedAt: number | undefined
  /** The address; empty where it is not known, or not any more. */
  readonly usedFrom: string
  readonly revokedAt: number | undefined
}

export type ApiKeyWanted = {
  readonly name: string
  /** Empty: it is of the tenant. */
  readonly client: string
  readonly scopes: readonly string[]
  /** When it ends (RFC 3339); empty: in a year. */
  readonly endsAt: string
}

/** `key` is as programs show it; undefined in the answer to a request that came before: it is kept nowhere. */
export type ApiKeyMade = { readonly apiKey: ApiKey; readonly key: string | undefined }

/** Undefined where a time is none. */
function apiKeyOf({ id, name, client, scopes, made_by, made_at, expires_at, used_at, used_from, revoked_at }: Shown): ApiKey | undefined {
  const at = (time: string | null): number | undefined => (time === null ? undefined : Date.parse(time))
  const found = { id, name, client: client ?? '', scopes, madeBy: made_by, madeAt: Date.parse(made_at), endsAt: Date.parse(expires_at), usedAt: at(used_at), usedFrom: used_from ?? '', revokedAt: at(revoked_at) }
  return [found.madeAt, found.endsAt, found.usedAt, found.revokedAt].some(Number.isNaN) ? undefined : found
}

export const apiKeys: Read<readonly ApiKey[]> = (value) => {
  if (!isApiKeysShown(value)) return undefined
  const items = value.items.map(apiKeyOf)
  return items.every((key) => key !== undefined) ? items : undefined
}

export const apiKeyMade: Read<ApiKeyMade> = (value) => {
  if (!isApiKeyMade(value)) return undefined
  const apiKey = apiKeyOf(value.api_key)
  return apiKey === undefined ? undefined : { apiKey, key: value.key ?? undefined }
}

/** The latest first; those that have ended within 30 days are among them. */
export function listApiKeys(tenant: string, signal?: AbortSignal): Promise<Outcome<readonly ApiKey[]>> {
  return ask(setupPaths.apiKeys(tenant), apiKeys, { signal })
}

/** `requestId` names the request: sent again, it makes no second key, and its answer has none. */
export function createApiKey(tenant: string, requestId: string, { name, client, scopes, endsAt }: ApiKeyWanted): Promise<Outcome<ApiKeyMade>> {
  const body = { name, client: client === '' ? null : client, scopes, expires_at: endsAt === '' ? null : endsAt, request_id: requestId } satisfies Schemas['ApiKeyAsked']
  return ask(setupPaths.apiKeys(tenant), apiKeyMade, { body })
}

/** One that was revoked before stays so. */
export function revokeApiKey(tenant: string, id: string): Promise<Outcome<true>> {
  return ask(setupPaths.apiKey(tenant, id), () => true, { isRemoval: true })
}
