/** A desk whose world is told: what it asks for, and what it is answered. */

import type { DeskAnswer, DeskFailure } from '../../api/workspace'
import type { SessionShown } from '../../api/workspace-shapes'
import type { BayeuxNews } from '../../live/bayeux'
import { newDesk, type Desk, type DeskWorld } from './desk'
import { dn, session as read } from './messages-for-tests'

export const failed = (failure: DeskFailure): { readonly kind: 'failed'; readonly failure: DeskFailure } => ({ kind: 'failed', failure })
export const NO_SESSION = failed({ kind: 'no-session' })
export const OK = { kind: 'ok', value: undefined } as const
export const shown = (...of: Parameters<typeof read>): DeskAnswer<SessionShown> => {
  const input = read(...of)
  if (input.kind !== 'session') throw new Error('no session')
  return { kind: 'ok', value: input.session }
}
export const AT_WORK = shown({ dn: dn('Ready'), calls: [] })

export type World = { readonly desk: Desk; readonly did: string[]; readonly tell: (news: BayeuxNews) => Promise<void>; readonly later: (() => void)[]; answers: { session: DeskAnswer<SessionShown>; begin: DeskAnswer<unknown>; any: DeskAnswer<unknown>; hasSlept: boolean } }

export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export function world(session: DeskAnswer<SessionShown>, begin: DeskAnswer<unknown> = OK): World {
  const did: string[] = []
  const later: (() => void)[] = []
  const answers: World['answers'] = { session, begin, any: OK, hasSlept: false }
  let onNews: ((news: BayeuxNews) => void) | undefined
  const note = <T>(what: string, answer: () => T): Promise<T> => {
    did.push(what)
    return Promise.resolve(answer())
  }
  const parts: DeskWorld = {
    readSession: () => note('read', () => answers.session),
    readConfiguration: () => note('configuration', () => NO_SESSION),
    beginSession: () => note('begin', () => answers.begin),
    endSession: () => note('end', () => answers.any),
    activate: ({ data }) => note(`activate ${JSON.stringify(data)}`, () => answers.any),
    operateVoice: (operation) => note(operation, () => answers.any),
    operateCall: (id, operation, { data }) => note(`${operation} ${id} ${JSON.stringify(data)}`, () => answers.any),
    openBayeux: (options) => {
      did.push(`listen ${options.channels.join(' ')}`)
      onNews = options.onNews
      return { retry: () => void did.push('retry'), doubt: () => void did.push('doubt'), close: () => note('close', () => undefined) }
    },
    isOurs: (userName) => userName !== 'bob',
    onSignedOut: () => void did.push('signed out'),
    hasSlept: () => answers.hasSlept,
    later: (run) => void later.push(run),
  }
  const desk = newDesk(parts)
  desk.start()
  return {
    desk,
    did,
    later,
    answers,
    tell: async (news) => {
      onNews?.(news)
      await settled()
    },
  }
}
