/** Documents by paths as `agent.skills`: what stands there, and what a change of it is. */

import type { Json, JsonObject } from '../../api/agent-setup'

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A list, not an object. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** What a document has under a name, which may be one that people have chosen, as `constructor`. */
function named(document: JsonObject | null | undefined, name: string): Json | undefined {
  return isObject(document) && Object.hasOwn(document, name) ? document[name] : undefined
}

/** What stands at a path. */
export function at(document: Json | undefined, path: string): Json | undefined {
  return path === '' ? document : path.split('.').reduce<Json | undefined>((of, name) => (isObject(of) ? named(of, name) : undefined), document)
}

/** The document with that at the path; objects on the way are made. */
export function withAt(document: JsonObject, path: string, value: Json): JsonObject {
  const [name = '', ...rest] = path.split('.')
  if (rest.length === 0) return { ...document, [name]: value }
  const inner = named(document, name)
  return { ...document, [name]: withAt(isObject(inner) ? inner : {}, rest.join('.'), value) }
}

/** The path above, empty for the document itself. */
export function above(path: string): string {
  return path.split('.').slice(0, -1).join('.')
}

/** What is absent and what is null say the same. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other || (isNothing(one) && isNothing(other))) return true
  if (isList(one) && isList(other)) return one.length === other.length && one.every((part, index) => isSame(part, other[index]))
  if (isObject(one) && isObject(other)) return namesOf(one, other).every((name) => isSame(named(one, name), named(other, name)))
  return false
}

export function isNothing(value: Json | undefined): boolean {
  return value === undefined || value === null
}

export type Difference = { readonly path: string; readonly before: Json | undefined; readonly after: Json | undefined }

/** Where two documents differ; lists are compared as wholes. A document that is not there differs in all that the other says. */
export function differences(before: JsonObject | null, after: JsonObject | null, path = ''): readonly Difference[] {
  return namesOf(before ?? {}, after ?? {}).flatMap((name) => {
    const [was, is] = [named(before, name), named(after, name)]
    const here = path === '' ? name : `${path}.${name}`
    if (isSame(was, is)) return []
    const [from, to] = [isObject(was) ? was : null, isObject(is) ? is : null]
    // An object that comes or goes is shown by its parts; without parts, as a whole.
    const parts = (from !== null || isNothing(was)) && (to !== null || isNothing(is)) ? differences(from, to, here) : []
    return parts.length > 0 ? parts : [{ path: here, before: was, after: is }]
  })
}

/** The fields that a change is about; an object that comes or goes is one, and so is one with a dot in a name, for a path could not say which is meant. */
export function changedPaths(before: JsonObject, after: JsonObject, path = ''): readonly string[] {
  return namesOf(before, after).flatMap((name) => {
    const [was, is] = [named(before, name), named(after, name)]
    const here = path === '' ? name : `${path}.${name}`
    if (isSame(was, is)) return []
    return isObject(was) && isObject(is) && !namesOf(was, is).some((inner) => inner.includes('.')) ? changedPaths(was, is, here) : [here]
  })
}

/** A document with some fields of another one. */
export function merged(document: JsonObject, other: JsonObject, paths: readonly string[]): JsonObject {
  return paths.reduce((of, path) => withAt(of, path, at(other, path) ?? null), document)
}

function namesOf(one: JsonObject, other: JsonObject): readonly string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])]
}
