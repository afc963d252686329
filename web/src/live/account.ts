/** Who has signed in, for all parts of the pages: asked at the start, when somebody comes back to the page, and after a refusal. */

import { useSyncExternalStore } from 'react'
import { askAccount, signOutAccount, type Account } from '../api/account'
import type { Answer } from '../api/check'
import type { Failure } from '../api/errors'
import { writeAs } from '../api/subject'
import { tellReached, tellUnreachable } from '../lib/reached'

export type AccountState =
  | { readonly kind: 'asking' }
  | { readonly kind: 'out' }
  /** Whether somebody has signed in cannot be learnt. */
  | { readonly kind: 'unknown'; readonly failure: Failure }
  | { readonly kind: 'in'; readonly account: Account }
  /** The session is over, and the page still shows what was done in it. */
  | { readonly kind: 'ended'; readonly account: Account }
  /** The page is still that of `account`, while `now` has signed in in another tab. */
  | { readonly kind: 'other'; readonly account: Account; readonly now: Account }

/** What is known after an answer. */
export function afterAnswer(before: AccountState, answer: Answer<Account | undefined>): AccountState {
  const held = 'account' in before ? before.account : undefined
  if (answer.kind === 'failed') return held === undefined ? { kind: 'unknown', failure: answer.failure } : before
  if (answer.value !== undefined) {
    // What another person typed is not for this one.
    const isSame = held === undefined || (held.user === answer.value.user && held.tenant === answer.value.tenant)
    return isSame ? { kind: 'in', account: answer.value } : { kind: 'other', account: held, now: answer.value }
  }
  return held === undefined ? { kind: 'out' } : { kind: 'ended', account: held }
}

let state: AccountState = { kind: 'asking' }
const readers = new Set<() => void>()

function set(next: AccountState): void {
  if (JSON.stringify(next) === JSON.stringify(state)) return
  state = next
  writeAs('account' in next ? next.account.user : undefined, next.kind === 'in' || !('account' in next))
  for (const read of readers) read()
}

/** Asks the server: because of what a person does, or by the page itself, for as long as it is open. */
export async function refreshAccount(by: 'person' | 'page' = 'person'): Promise<void> {
  const answer = await askAccount(by)
  if (answer.kind === 'failed' && answer.failure.kind === 'unreachable') tellUnreachable()
  else tellReached()
  set(afterAnswer(state, answer))
}

/** Ends the session here and at the server. */
export async function endAccount(): Promise<Answer<undefined>> {
  const answer = await signOutAccount()
  if (answer.kind === 'ok') set({ kind: 'out' })
  return answer
}

/** Who has signed in, as far as it is known now. */
export function accountNow(): AccountState {
  return state
}

export function useAccount(): AccountState {
  return useSyncExternalStore(subscribe, accountNow)
}

function subscribe(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
