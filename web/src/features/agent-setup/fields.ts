/** How the fields of a kind are described: what a form shows, and what it may hold. */

import type { Kind } from '../../api/agent-setup'
import type { PlainText } from '../../lib/i18n'

type Common = {
  /** Where it stands in the document, as `agent.skills`. */
  readonly path: string
  readonly label: PlainText
  readonly hint?: PlainText
  readonly required?: boolean
  /** Shown only where another field has one of these values. */
  readonly when?: { readonly path: string; readonly is: readonly string[] }
  /** Cannot be changed once the object exists. */
  readonly fixed?: boolean
}

/** Names with their words. */
export type Options = readonly (readonly [string, PlainText])[]

export type ColumnField =
  | { readonly kind: 'text'; readonly name: string; readonly label: PlainText; readonly required?: boolean }
  /** Its row holds the names with commas between them. */
  | { readonly kind: 'many'; readonly name: string; readonly label: PlainText; readonly options: Options }
  | { readonly kind: 'whole'; readonly name: string; readonly label: PlainText; readonly min: number; readonly max: number; readonly initial: string; /** It may be left empty. */ readonly isOptional?: boolean }
  | { readonly kind: 'reference'; readonly name: string; readonly label: PlainText; readonly of: Kind; readonly isOptional?: boolean }
  /** `isFlag`: its names are `true` and `false`. */
  | { readonly kind: 'choice'; readonly name: string; readonly label: PlainText; readonly options: Options; readonly isFlag?: boolean }

export type Field =
  /** `orAs`: left empty it is as that field. `isText`: left empty it is an empty text, not nothing. `isWide`: it takes the whole width. */
  | (Common & { readonly kind: 'text'; readonly type?: 'text' | 'email'; readonly orAs?: string; readonly isText?: boolean; readonly isWide?: boolean })
  /** Goes to the server and never comes back; left empty it stays as it is. */
  | (Common & { readonly kind: 'secret'; readonly minLength?: number; /** There is always one: without it the object gets another. */ readonly isKept?: boolean; /** Others set it: here it can be taken away alone. */ readonly isOnlyRemoved?: boolean })
  | (Common & { readonly kind: 'whole'; readonly min: number; readonly max: number; readonly unit?: PlainText; readonly initial?: string })
  /** `orNothing`: nothing is written where it is as at the beginning, for that is what nothing means. */
  | (Common & { readonly kind: 'flag'; readonly initial?: boolean; readonly orNothing?: boolean })
  /** Without `required` there is a choice of none. */
  | (Common & { readonly kind: 'choice'; readonly options: Options; readonly initial?: string })
  | (Common & { readonly kind: 'many'; readonly options: Options })
  /** One in each line. */
  | (Common & { readonly kind: 'lines' })
  /** `code`: it is read as a program. */
  | (Common & { readonly kind: 'document'; readonly code?: boolean })
  /** Public keys, as JSON. */
  | (Common & { readonly kind: 'keys' })
  | (Common & { readonly kind: 'reference'; readonly of: Kind })
  | (Common & { readonly kind: 'references'; readonly of: Kind })
  /** Some of many names, which stay what they are in every language; the words say what each means. */
  | (Common & { readonly kind: 'names'; readonly options: Options })
  /** `isOrdered`: which one comes first says something. */
  | (Common & { readonly kind: 'rows'; readonly columns: readonly ColumnField[]; readonly add: PlainText; readonly isOrdered?: boolean })
  /** One of the values that a column of the rows at another path has, or none; people read those of the column `words`. */
  | (Common & { readonly kind: 'one-of-rows'; readonly rows: string; readonly column: string; readonly words: string })
  /** Values by section and key. */
  | (Common & { readonly kind: 'sections' })

export type Group = {
  readonly title: PlainText
  readonly fields: readonly Field[]
  /** The object in which its fields stand, if it may be absent: by a switch, or where all of them are empty. */
  readonly within?: { readonly path: string; readonly by: PlainText | 'content' }
  /** Folded until it is wanted. */
  readonly isFurther?: boolean
  readonly when?: { readonly path: string; readonly is: readonly string[] }
}

export type Row = Readonly<Record<string, string>>
/** A section of a list with its keys and values, as a form holds it. */
export type SectionDraft = { readonly name: string; readonly entries: readonly Row[] }
export type DraftValue = string | boolean | readonly string[] | readonly Row[] | readonly SectionDraft[]
/** What a form holds, by the paths of its fields; switches of groups by `@` and the path of their object, a name that is typed and not yet
 *  added by `+` and the path of its list. A secret that is to be removed is false. */
export type Draft = Readonly<Record<string, DraftValue>>

export const textIn = (draft: Draft, path: string): string => {
  const value = draft[path]
  return typeof value === 'string' ? value : ''
}
export const flagIn = (draft: Draft, path: string): boolean => draft[path] === true
export const textsIn = (draft: Draft, path: string): readonly string[] => {
  const value = draft[path]
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
}
export const rowsIn = (draft: Draft, path: string): readonly Row[] => {
  const value = draft[path]
  return Array.isArray(value) ? value.filter((one): one is Row => typeof one === 'object' && !isSection(one)) : []
}
export const sectionsIn = (draft: Draft, path: string): readonly SectionDraft[] => {
  const value = draft[path]
  return Array.isArray(value) ? value.filter(isSection) : []
}
const isSection = (one: unknown): one is SectionDraft => typeof one === 'object' && one !== null && 'entries' in one && Array.isArray(one.entries)

/** The name of what is typed beside a list. */
export const typedOf = (path: string): string => `+${path}`

/** The names of a list, with the one that is typed: who saves means it. */
export const namesIn = (draft: Draft, path: string): readonly string[] => {
  const [chosen, typed] = [textsIn(draft, path), textIn(draft, typedOf(path)).trim()]
  return typed === '' || chosen.includes(typed) ? chosen : [...chosen, typed]
}

export const isRemoved = (draft: Draft, path: string): boolean => draft[path] === false

/** The name of a group's switch in a draft. */
export const switchOf = (path: string): string => `@${path}`

/** Whether a field or group is shown. */
export function isShown({ when }: Pick<Group, 'when'>, draft: Draft): boolean {
  return when === undefined || when.is.includes(textIn(draft, when.path))
}

/** Whether the object of a group is there. */
export function isOn(group: Group, draft: Draft): boolean {
  return group.within === undefined || group.within.by === 'content' || flagIn(draft, switchOf(group.within.path))
}

/** The fields of which a draft says something. */
export function shownFields(groups: readonly Group[], draft: Draft): readonly Field[] {
  return groups.filter((group) => isShown(group, draft) && isOn(group, draft)).flatMap(({ fields }) => fields.filter((field) => isShown(field, draft)))
}

/** Where fields stand that were shown before, and are not any more, for another field says something else now: there they mean nothing. */
export function hiddenSince(groups: readonly Group[], before: Draft, now: Draft): readonly string[] {
  const shown = (draft: Draft): readonly string[] => groups.filter((group) => isShown(group, draft)).flatMap(({ fields }) => fields.filter((field) => isShown(field, draft)).map(({ path }) => path))
  const still = new Set(shown(now))
  return shown(before).filter((path) => !still.has(path))
}
