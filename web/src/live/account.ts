/** Who has signed in, for all parts of the pages: asked at the start, when somebody comes back to the page, and after a refusal. */

import { useSyncExternalStore } from 'react'
import { askAccount, signOutAccount, type Account } from '../api/account'
import type { Answer } from '../api/check'
import type { Failure } from '../api/errors'

export type AccountState =
  | { readonly kind: 'asking' }
  | { readonly kind: 'out' }
  /** Whether somebody has signed in cannot be learnt. */
  | { readonly kind: 'unknown'; readonly failure: Failure }
  | { readonly kind: 'in'; readonly account: Account }
  /** The session is over, and the page still shows what was done in it. */
  | { readonly kind: 'ended'; readonly account: Account }

/** What is known after an answer. */
export function afterAnswer(before: AccountState, answer: Answer<Account | undefined>): AccountState {
  const held = before.kind === 'in' || before.kind === 'ended' ? before.account : undefined
  if (answer.kind === 'failed') return held === undefined ? { kind: 'unknown', failure: answer.failure } : before
  if (answer.value !== undefined) {
    // What another person typed is not for this one.
    const isSame = held === undefined || (held.user === answer.value.user && held.tenant === answer.value.tenant)
    return isSame ? { kind: 'in', account: answer.value } : { kind: 'ended', account: held }
  }
  return held === undefined ? { kind: 'out' } : { kind: 'ended', account: held }
}

let state: AccountState = { kind: 'asking' }
const readers = new Set<() => void>()

function set(next: AccountState): void {
  if (JSON.stringify(next) === JSON.stringify(state)) return
  state = next
  for (const read of readers) read()
}

/** Asks the server. */
export async function refreshAccount(): Promise<void> {
  set(afterAnswer(state, await askAccount()))
}

/** Ends the session here and at the server. */
export async function endAccount(): Promise<Answer<undefined>> {
  const answer = await signOutAccount()
  if (answer.kind === 'ok') set({ kind: 'out' })
  return answer
}

export function useAccount(): AccountState {
  return useSyncExternalStore(subscribe, () => state)
}

function subscribe(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
