/** The Workspace API, as the published one is: a session by a cookie, operations that are accepted and done later. */

import { workspacePaths } from '../lib/paths'
import { serverClock } from '../lib/server-clock'
import { mayWrite, subjectHeader } from './subject'
import { configurationIn, devicesIn, fieldOf, sessionIn, textOf, type Configuration, type Device, type SessionShown } from './workspace-shapes'

export type DeskFailure =
  /** There is no session, or none any more. */
  | { readonly kind: 'no-session' }
  /** Nobody has signed in, or somebody else has. */
  | { readonly kind: 'signed-out' }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'refused'; readonly status: number; readonly why: string }

export type DeskAnswer<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly failure: DeskFailure }

/** Longer than the server takes for the slowest of them, a login. */
const DEADLINE_MS = 15_000
/** The code of an answer to who has no session. */
const UNAUTHORIZED = '603'

/** What an operation needs; `operationId` comes back in the event that tells what became of it. */
export type OperationBody = { readonly operationId: string; readonly data: Readonly<Record<string, unknown>> }

/** Begins a session for who has signed in: the edge adds their token. */
export function beginSession(): Promise<DeskAnswer<unknown>> {
  return ask('POST', workspacePaths.begin())
}

export async function readSession(): Promise<DeskAnswer<SessionShown>> {
  return mapped(await ask('GET', workspacePaths.session()), (data) => sessionIn(data, Date.now(), serverClock.ahead()))
}

export async function readConfiguration(): Promise<DeskAnswer<Configuration>> {
  return mapped(await ask('GET', workspacePaths.configuration()), configurationIn)
}

export async function readPlace(name: string): Promise<DeskAnswer<readonly Device[]>> {
  return mapped(await ask('GET', workspacePaths.place(name)), devicesIn)
}

export function activate(body: OperationBody): Promise<DeskAnswer<unknown>> {
  return ask('POST', workspacePaths.activate(), body)
}

/** Logs the agent out and ends the session. */
export function endSession(): Promise<DeskAnswer<unknown>> {
  return ask('POST', workspacePaths.end())
}

/** An operation of the voice channel, as `ready`. */
export function operateVoice(operation: string, body: OperationBody): Promise<DeskAnswer<unknown>> {
  return ask('POST', workspacePaths.voice(operation), body)
}

/** An operation on a call, as `hold`. */
export function operateCall(call: string, operation: string, body: OperationBody): Promise<DeskAnswer<unknown>> {
  return ask('POST', workspacePaths.call(call, operation), body)
}

/** The value of an answer, read. */
export function mapped<T>(answer: DeskAnswer<unknown>, read: (data: unknown) => T): DeskAnswer<T> {
  return answer.kind === 'ok' ? { kind: 'ok', value: read(answer.value) } : answer
}

/** Asks the API; the answer is the `data` of its. */
export async function ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<DeskAnswer<unknown>> {
  // What another person does in this browser is not done in the name of this one.
  if (method !== 'GET' && !mayWrite()) return { kind: 'failed', failure: { kind: 'signed-out' } }
  const asked = Date.now()
  try {
    const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' }
    const response = await fetch(path, {
      method,
      headers: { Accept: 'application/json', ...type, ...subjectHeader() },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
      // What is closed is closed also while the page goes.
      keepalive: method === 'DELETE',
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    serverClock.heard(response.headers.get('Date'), asked, Date.now())
    const answer: unknown = await response.json().catch(() => undefined)
    return response.ok ? { kind: 'ok', value: fieldOf(answer, 'data') } : { kind: 'failed', failure: failureIn(response.status, answer) }
  } catch {
    return { kind: 'failed', failure: { kind: 'unreachable' } }
  }
}

/** From an answer that is no success. */
export function failureIn(status: number, answer: unknown): DeskFailure {
  const told = fieldOf(answer, 'status')
  // The edge's own refusals are problem documents (RFC 9457).
  const why = textOf(told, 'message') || textOf(answer, 'detail') || textOf(answer, 'title')
  if (status === 401 || status === 412) return { kind: 'signed-out' }
  if (status === 403 && textOf(told, 'code') === UNAUTHORIZED) return { kind: 'no-session' }
  return { kind: 'refused', status, why }
}
