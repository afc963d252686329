/** Subjects, as histories and tokens name them. */

import { sectionOf, type Section } from './sections'

/** Whom it is about: a name, and where that object is edited. */
export type Whom = { readonly name: string; readonly section: Section | undefined }

/** `person/ann`, `client/reports`, or whatever else a subject is; undefined for nobody who is known. */
export function whomOf(subject: string): Whom | undefined {
  if (subject === '') return undefined
  const [kind = '', ...rest] = subject.split('/')
  const name = rest.join('/')
  return name === '' || (kind !== 'person' && kind !== 'client') ? { name: subject, section: undefined } : { name, section: sectionOf(kind) }
}
