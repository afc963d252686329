/** Contacts that the person keeps, and those that the people of the tenant share, as the Workspace API has them. */

import { targetPaths } from '../lib/target-paths'
import { ask, mapped, type DeskAnswer, type DeskFailure } from './workspace'
import { fieldOf, listOf, textOf } from './workspace-shapes'
import type { Target } from './workspace-targets'

export const NUMBER_KINDS = ['work', 'mobile', 'home', 'internal', 'other'] as const
export type NumberKind = (typeof NUMBER_KINDS)[number]

export type ContactNumber = { readonly kind: NumberKind; readonly number: string }

/** What a form asks for. */
export type ContactDraft = {
  readonly name: string
  readonly company: string
  readonly numbers: readonly ContactNumber[]
  readonly email: string
  readonly note: string
  /** Whether all people of the tenant see it. */
  readonly isShared: boolean
}

export type Contact = ContactDraft & {
  readonly id: string
  /** When it was changed last: tells the server which one a change is of. */
  readonly changedAt: number
}

export type FoundContacts = {
  readonly contacts: readonly Contact[]
  /** How many there are, those included that are not told. */
  readonly total: number
  /** Whether the person may keep shared ones. */
  readonly mayShare: boolean
}

// === questions ===

/** By name, the first of them. */
export async function readContacts(limit: number): Promise<DeskAnswer<FoundContacts>> {
  return mapped(await ask('GET', targetPaths.contacts(limit)), contactsIn)
}

/** Undefined for an answer that has none. */
export async function readContact(id: string): Promise<DeskAnswer<Contact | undefined>> {
  return mapped(await ask('GET', targetPaths.contact(id)), contactIn)
}

/** Adds it, or puts it in the place of the one that was read before, unless that was changed since; answers with it as it is kept. */
export async function saveContact(before: Contact | undefined, draft: ContactDraft): Promise<DeskAnswer<Contact | undefined>> {
  const { name, company, email, note, isShared, numbers } = draft
  const data = { name, company, emailAddress: email, note, isShared, numbers: numbers.map(({ kind, number }) => ({ type: kind, number })) }
  const asked = before === undefined ? ask('POST', targetPaths.addContact(), { data }) : ask('PUT', targetPaths.contact(before.id), { data: { ...data, changedAt: before.changedAt } })
  return mapped(await asked, contactIn)
}

/** Whether a change is refused because somebody else has changed the contact since it was read. */
export const isChangedSince = (failure: DeskFailure): boolean => failure.kind === 'refused' && failure.status === 409 && failure.why.startsWith('changedAt:')

export function deleteContact(id: string): Promise<DeskAnswer<unknown>> {
  return ask('DELETE', targetPaths.contact(id))
}

// === answers ===

export function contactsIn(data: unknown): FoundContacts {
  const contacts = listOf(data, 'contacts').flatMap((one) => contactIn(one) ?? [])
  return { contacts, total: Number(textOf(data, 'totalMatches')) || contacts.length, mayShare: fieldOf(data, 'mayShare') === true }
}

/** Undefined for one without an id. */
export function contactIn(value: unknown): Contact | undefined {
  const id = textOf(value, 'id')
  if (id === '') return undefined
  const numbers = listOf(value, 'numbers').map((one) => ({ kind: NUMBER_KINDS.find((kind) => kind === textOf(one, 'type')) ?? 'other', number: textOf(one, 'number') }))
  return { id, changedAt: Number(textOf(value, 'changedAt')), name: textOf(value, 'name'), company: textOf(value, 'company'), numbers, email: textOf(value, 'emailAddress'), note: textOf(value, 'note'), isShared: fieldOf(value, 'isShared') === true }
}

/** As a search finds it. */
export function targetOf({ id, name, numbers }: Contact): Target {
  return { type: 'custom-contact', id, name, userName: '', number: numbers[0]?.number ?? '', availability: { kind: 'unknown' }, isContact: true }
}
