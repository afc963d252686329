/** Public keys of a program, typed or pasted as JSON: a set (RFC 7517 section 5), a list of keys, or one key. */

import type { Json, JsonObject } from '../../api/agent-setup'
import { isList, isObject } from './document'

/** The set that a text says; undefined if it says none. */
export function keySetOf(text: string): JsonObject | undefined {
  const said = readJson(text)
  const set = isList(said) ? { keys: said } : isObject(said) ? ('kty' in said ? { keys: [said] } : said) : undefined
  return set !== undefined && keysOf(set).length > 0 && keysOf(set).every(isObject) ? set : undefined
}

/** Whether it has what only the owner of a key may know: that is not even sent. */
export function hasPrivateKey(set: JsonObject): boolean {
  return keysOf(set).some((key) => isObject(key) && PRIVATE.some((name) => name in key))
}

/** RFC 7518 sections 6.2.2, 6.3.2 and 6.4. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

function keysOf({ keys }: JsonObject): readonly Json[] {
  return isList(keys) ? keys : []
}

function readJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
