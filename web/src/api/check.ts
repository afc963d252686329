/** Answers are checked against the documents of the APIs before a page relies on them. */

import type { Failure } from './errors'

/** Whether a value is what a document says. Generated; `errors` are those of the last call. */
export type Check<T> = {
  (value: unknown): value is T
  readonly errors?: readonly { readonly instancePath: string; readonly message?: string }[] | null
}

export type Answer<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly failure: Failure }

/** The value with its type, or where it differs. */
export function checked<T>(check: Check<T>, value: unknown): Answer<T> {
  if (check(value)) return { kind: 'ok', value }
  const [error] = check.errors ?? []
  const detail = error === undefined ? '' : `${error.instancePath || '/'} ${error.message ?? ''}`
  return { kind: 'failed', failure: { kind: 'not-understood', detail } }
}
