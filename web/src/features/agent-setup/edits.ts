/** What is sent to change objects. */

import type { Edit, JsonObject, Kind, Stored } from '../../api/agent-setup'
import { at, changedPaths, isList, isObject, isSame, merged, withAt } from './document'

/** A new object; refused if there is one already. */
export function creation(kind: Kind, id: string, object: JsonObject): Edit {
  return { kind, id, action: 'put', expected_revision: 0, object }
}

/** The fields that differ, and no others: what somebody else changes elsewhere in it stays. Undefined where none do. No document shows a
 *  secret, so those that are removed are named. */
export function update(kind: Kind, base: Stored, object: JsonObject, removed: readonly string[] = []): Edit | undefined {
  const changed = changedPaths(base.object, object)
  const fields = [...changed, ...removed.filter((path) => !changed.some((whole) => path === whole || path.startsWith(`${whole}.`)))]
  const sent = fewer(fields)
  return sent.length === 0 ? undefined : { kind, id: base.id, action: 'merge', expected_revision: base.revision, object: parts(object, sent), fields: sent }
}

/** More fields the server does not take in one edit. */
const FIELDS_MOST = 64

/** The same change by fewer fields, where there are too many: each by the object in which it stands. */
function fewer(fields: readonly string[]): readonly string[] {
  const depth = Math.max(...fields.map((path) => path.split('.').length))
  if (fields.length <= FIELDS_MOST || depth === 1) return fields
  return fewer([...new Set(fields.map((path) => path.split('.').slice(0, depth - 1).join('.')))])
}

export function deletion(kind: Kind, base: Stored): Edit {
  return { kind, id: base.id, action: 'delete', expected_revision: base.revision }
}

/** Those fields alone. */
function parts(object: JsonObject, fields: readonly string[]): JsonObject {
  return merged({}, object, fields)
}

// === several people at once ===

export type BulkAction =
  | { readonly kind: 'add-skill'; readonly skill: string; readonly level: number }
  | { readonly kind: 'remove-skill'; readonly skill: string }
  | { readonly kind: 'disable' }
  | { readonly kind: 'enable' }

/** The edits of people that differ by it, and how many of them have no skills because they are no agents. */
export function bulk(people: readonly Stored[], action: BulkAction): { readonly edits: readonly Edit[]; readonly noAgents: number } {
  const needsAgent = action.kind === 'add-skill' || action.kind === 'remove-skill'
  const fit = needsAgent ? people.filter(({ object }) => isObject(at(object, 'agent'))) : people
  const edits = fit.map((person) => update('person', person, after(person.object, action)))
  return { edits: edits.filter((edit) => edit !== undefined), noAgents: people.length - fit.length }
}

function after(person: JsonObject, action: BulkAction): JsonObject {
  if (action.kind === 'disable' || action.kind === 'enable') return withAt(person, 'disabled', action.kind === 'disable')
  const held = at(person, 'agent.skills')
  const levels = isList(held) ? held.filter(isObject) : []
  const others = levels.filter(({ skill }) => skill !== action.skill)
  if (action.kind === 'remove-skill') return others.length === levels.length ? person : withAt(person, 'agent.skills', others)
  const added = { skill: action.skill, level: action.level }
  // In its place, so that a change of level is seen as one.
  const next = others.length === levels.length ? [...levels, added] : levels.map((level) => (level['skill'] === action.skill ? added : level))
  return withAt(person, 'agent.skills', next)
}

// === somebody else was faster ===

export type Clash = {
  readonly path: string
  readonly before: JsonObject[string]
  readonly theirs: JsonObject[string]
  readonly mine: JsonObject[string]
  /** Whether both have changed it, and differently. */
  readonly isBoth: boolean
}

/** What they and I have changed since. */
export function clashes(base: JsonObject, theirs: JsonObject, mine: JsonObject): readonly Clash[] {
  const [ofTheirs, ofMine] = [changedPaths(base, theirs), changedPaths(base, mine)]
  return [...new Set([...ofTheirs, ...ofMine])].map((path) => {
    const [before, their, my] = [at(base, path), at(theirs, path), at(mine, path)]
    return { path, before, theirs: their, mine: my, isBoth: ofTheirs.includes(path) && ofMine.includes(path) && !isSame(their, my) }
  })
}

/** Theirs, with what I have changed. */
export function rebased(base: JsonObject, theirs: JsonObject, mine: JsonObject): JsonObject {
  return merged(theirs, mine, changedPaths(base, mine))
}
