/** The data of a call as fields: those that have a business attribute offer its values. */

import type { Attribute, Call, Configuration, Pair } from '../../api/workspace-shapes'

export type DataField = {
  readonly key: string
  readonly title: string
  readonly value: string
  /** Empty for a field that takes any text. */
  readonly choices: readonly { readonly name: string; readonly title: string }[]
  readonly isFixed: boolean
}

/** Where notes of the agent stand in the data of the call. */
export const NOTES = 'Notes'

/** The published options that name the disposition, and what they say where they are not set. */
const DISPOSITION = 'DispositionCode'
const DISPOSITION_KEY = 'interaction.disposition.key-name'
const DISPOSITION_VALUES = 'interaction.disposition.value-business-attribute'

/** Pairs that programs set for each other. */
const TECHNICAL = /^(RTarget|RVQ|RStrategy|RRequested|Recording(ID|State)$|WrapUpTime$|AnswerClass$|GSIP|GSW)/

const attributeOf = (configuration: Configuration | undefined, name: string): Attribute | undefined => configuration?.attributes.find((one) => one.name.toLowerCase() === name.toLowerCase())

/** What is for the agent, in the order in which it came. */
export function fieldsOf({ data }: Call, configuration: Configuration | undefined): readonly DataField[] {
  const own = [NOTES, dispositionKey(configuration)]
  const keys = [...new Set(data.map(({ key }) => key))]
  return keys.filter((key) => !own.includes(key) && !TECHNICAL.test(key)).map((key) => fieldOf(data, key, attributeOf(configuration, key)))
}

/** The disposition; undefined where the tenant has no values for it. */
export function dispositionOf({ data }: Call, configuration: Configuration | undefined): DataField | undefined {
  const attribute = attributeOf(configuration, configuration?.settings[DISPOSITION_VALUES] ?? DISPOSITION)
  return attribute === undefined ? undefined : fieldOf(data, dispositionKey(configuration), attribute)
}

export function notesOf({ data }: Call): string {
  return data.find(({ key }) => key === NOTES)?.value ?? ''
}

export function technicalOf({ data }: Call): readonly Pair[] {
  return data.filter(({ key }) => TECHNICAL.test(key))
}

function dispositionKey(configuration: Configuration | undefined): string {
  return configuration?.settings[DISPOSITION_KEY] ?? DISPOSITION
}

function fieldOf(data: readonly Pair[], key: string, attribute: Attribute | undefined): DataField {
  const pairs = data.filter((pair) => pair.key === key)
  const value = pairs.map((pair) => pair.value).join(', ')
  // A key that is there several times has no one value that could be changed.
  const isFixed = pairs.length > 1 || pairs.some(({ type }) => type === 'list')
  return { key, title: attribute?.title ?? key, value, choices: attribute?.values ?? [], isFixed }
}
