/** What is typed of a contact, and what is wrong with it. */

import type { Contact, ContactDraft, ContactNumber } from '../../api/workspace-contacts'
import { dialled } from './destination'

/** A contact has no more numbers. */
export const NUMBERS_MAX = 10

const NO_NUMBER: ContactNumber = { kind: 'work', number: '' }

/** A form for it; an empty one for a new contact. There is always a place for a number. */
export function draftOf(contact: Contact | undefined): ContactDraft {
  if (contact === undefined) return { name: '', company: '', numbers: [NO_NUMBER], email: '', note: '', isShared: false }
  const { name, company, numbers, email, note, isShared } = contact
  return { name, company, numbers: numbers.length === 0 ? [NO_NUMBER] : numbers, email, note, isShared }
}

export const withNumber = (draft: ContactDraft): ContactDraft => ({ ...draft, numbers: [...draft.numbers, NO_NUMBER] })

export function withChanged(draft: ContactDraft, at: number, change: Partial<ContactNumber>): ContactDraft {
  return { ...draft, numbers: draft.numbers.map((one, index) => (index === at ? { ...one, ...change } : one)) }
}

/** As it is saved: without the places that are empty. */
export function savedOf(draft: ContactDraft): ContactDraft {
  const numbers = draft.numbers.map(({ kind, number }) => ({ kind, number: dialled(number) })).filter(({ number }) => number !== '')
  return { ...draft, name: draft.name.trim(), company: draft.company.trim(), email: draft.email.trim(), note: draft.note.trim(), numbers }
}

export type ContactFaults = {
  readonly name: boolean
  readonly email: boolean
  /** By the place of each number. */
  readonly numbers: readonly boolean[]
}

export function faultsOf(draft: ContactDraft): ContactFaults {
  const email = draft.email.trim()
  return {
    name: draft.name.trim() === '',
    email: email !== '' && !/^[^\s@]+@[^\s@]+$/.test(email),
    // A plus and a number as E.164 has it, or what is dialled inside.
    numbers: draft.numbers.map(({ number }) => !/^(\+[1-9]\d{1,14}|[\d*#]{0,15})$/.test(dialled(number))),
  }
}

export const isFaulty = ({ name, email, numbers }: ContactFaults): boolean => name || email || numbers.includes(true)
