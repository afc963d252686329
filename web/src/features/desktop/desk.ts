/** Keeps a desk in step with the server: begins its session, listens, asks, and begins anew when the session is over. */

import type { DeskAnswer, DeskFailure, OperationBody } from '../../api/workspace'
import { CHANNELS, messageIn } from '../../api/workspace-messages'
import type { Call, Configuration, SessionShown } from '../../api/workspace-shapes'
import { workspacePaths } from '../../lib/paths'
import { serverClock } from '../../lib/server-clock'
import { backOffMs } from '../../live/back-off'
import type { Bayeux, BayeuxNews, BayeuxOptions } from '../../live/bayeux'
import { askedOnce } from './asked-once'
import { after, NEW_DESK, type DeskInput, type DeskState } from './desk-state'
import type { Operation } from './operations'

/** What a desk needs of the world. `beginSession` goes on with the session that there is. */
export type DeskWorld = {
  readonly readSession: () => Promise<DeskAnswer<SessionShown>>
  readonly readConfiguration: () => Promise<DeskAnswer<Configuration>>
  readonly beginSession: () => Promise<DeskAnswer<unknown>>
  readonly endSession: () => Promise<DeskAnswer<unknown>>
  readonly activate: (body: OperationBody) => Promise<DeskAnswer<unknown>>
  readonly operateVoice: (operation: string, body: OperationBody) => Promise<DeskAnswer<unknown>>
  readonly operateCall: (call: string, operation: string, body: OperationBody) => Promise<DeskAnswer<unknown>>
  readonly openBayeux: (options: BayeuxOptions) => Bayeux
  /** Whether a session of that user is of whom this page is. */
  readonly isOurs: (userName: string) => boolean
  /** Whether somebody has signed in has to be asked again. */
  readonly onSignedOut: () => void
  /** Whether the computer has slept since this was asked last. */
  readonly hasSlept: () => boolean
  readonly later: (run: () => void, ms: number) => void
}

export type Data = Readonly<Record<string, unknown>>

export type Desk = {
  readonly state: () => DeskState
  readonly onChange: (read: () => void) => () => void
  /** The answer ends it. */
  readonly start: () => () => void
  /** Tries again now: to be heard, or to begin. */
  readonly retry: () => void
  /** Whether it was accepted; what does not work is told by the state. `call` is empty where it is about none. */
  readonly ask: (what: Operation, call?: string, data?: Data) => Promise<boolean>
  /** The id for something that is asked for in another way, as for one of the team: where it fails later, that is told by the state. `about` says whom it is about. */
  readonly noted: (what: Operation, about: string) => string
  readonly leave: () => Promise<void>
  readonly take: (input: DeskInput) => void
}

/** While the session cannot be read, or is not begun yet: at first. */
const AGAIN_MS = 1_000
/** The end of a session waits for the end of what listens to it, but no longer. */
const GOODBYE_MS = 1_000

/** What means more when it is asked for twice. All else is the other half of a double press, and one with the first: a number is not called twice. */
const AGAIN_AT_ONCE: readonly Operation[] = ['send-dtmf', 'update-user-data']

export function newDesk(world: DeskWorld): Desk {
  let state = NEW_DESK
  let bayeux: Bayeux | undefined
  let run = 0
  let failures = 0
  let rereads = 0
  let ids = 0
  let reads = 0
  const once = askedOnce(world.later)
  const name = Math.random().toString(36).slice(2, 10)
  const newId = (): string => {
    ids += 1
    return `desk-${name}-${ids}`
  }
  const readers = new Set<() => void>()
  const take = (input: DeskInput): void => {
    const next = after(state, input)
    if (next === state) return
    state = next
    for (const read of readers) read()
  }
  const noted = (what: Operation, about = ''): string => {
    const id = newId()
    take({ kind: 'asked', asked: { id, what, about } })
    return id
  }
  const hush = (): Promise<void> => {
    const goodbye = bayeux?.close() ?? Promise.resolve()
    bayeux = undefined
    return goodbye
  }

  // === the session ===

  const listen = (of: number): void => {
    if (of !== run) return
    void hush()
    bayeux = world.openBayeux({ url: workspacePaths.notifications(), channels: CHANNELS, onNews: (news) => (of === run ? heard(of, news) : undefined) })
  }
  const heard = (of: number, news: BayeuxNews): void => {
    const hasSlept = world.hasSlept()
    if (news.kind === 'connected') return void read(of)
    if (news.kind === 'lost') return take({ kind: 'lost', at: Date.now(), isReplaced: news.isReplaced === true })
    if (news.kind === 'no-session') return ended()
    // What has come while nobody could see it would look as if it happened now: all is read anew, and it is said what was missed.
    if (hasSlept) return bayeux?.doubt()
    const message = messageIn(news.data, Date.now(), serverClock.ahead())
    if (message === undefined) return
    if (message.kind === 'begun' && !world.isOurs(message.user.userName)) return ended()
    const { calls, connection } = state
    take({ kind: 'message', message })
    if (message.kind === 'not-begun') return beginLater()
    // Who listens anew is told every call once more, those included whose after-call work is being done: only a call of which this desk
    // has seen the end is known to be over for everybody.
    if (message.kind === 'call' && connection.kind === 'live' && calls.some(({ id }) => id === message.call.id)) tidy([message.call])
  }
  // A call with which there is nothing left to do is completed here: nobody sees it.
  const tidy = (told: readonly Call[]): void => {
    for (const call of told) if (call.phase === 'Released' && call.capabilities.includes('complete') && !state.calls.some(({ id }) => id === call.id)) void world.operateCall(call.id, 'complete', { operationId: newId(), data: {} })
  }
  const read = async (of: number): Promise<void> => {
    reads += 1
    const mine = reads
    take({ kind: 'reading' })
    const answer = await world.readSession()
    if (of !== run || mine !== reads || state.connection.kind !== 'reading') return
    if (answer.kind === 'failed') {
      return answer.failure.kind === 'no-session' || answer.failure.kind === 'signed-out' ? ended() : readLater(of)
    }
    // Somebody else has signed in in this browser, and the cookie is theirs: nothing of theirs is shown or done here.
    if (!world.isOurs(answer.value.user.userName)) return ended()
    take({ kind: 'session', session: answer.value })
    tidy(answer.value.active?.calls ?? [])
    if (answer.value.beginning === 'Failed') return beginLater()
    if (answer.value.beginning !== '') return readLater(of)
    failures = 0
    rereads = 0
    if (state.configuration === undefined) void configure(of)
  }
  const readLater = (of: number): void => {
    rereads += 1
    world.later(
      () => {
        if (of === run && state.connection.kind !== 'lost' && state.phase.kind !== 'not-begun') void read(of)
      },
      Math.max(AGAIN_MS, backOffMs(rereads, Math.random())),
    )
  }
  const configure = async (of: number): Promise<void> => {
    const answer = await world.readConfiguration()
    if (of === run && answer.kind === 'ok') take({ kind: 'configured', configuration: answer.value })
  }
  const begin = async (of: number): Promise<void> => {
    // Where there is a session of this person it goes on; one of another person is not taken for it.
    const begun = await world.beginSession()
    if (of !== run) return
    if (begun.kind === 'ok') return listen(of)
    failed(of, begun.failure)
  }
  const failed = (of: number, failure: DeskFailure): void => {
    if (failure.kind === 'signed-out') world.onSignedOut()
    take({ kind: 'not-begun', why: failure })
    // All of an office ask at once after an outage, and share one limit at the edge.
    const isPassing = failure.kind === 'unreachable' || (failure.kind === 'refused' && (failure.status >= 500 || failure.status === 429))
    if (isPassing) againLater(of)
  }
  const againLater = (of: number): void => {
    failures += 1
    world.later(() => (of === run ? void begin(of) : undefined), backOffMs(failures, Math.random()))
  }
  // The server has not got the session ready: it tries again when it is asked again, and tells nothing until then.
  const beginLater = (): void => {
    void hush()
    run += 1
    againLater(run)
  }
  const ended = (): void => {
    void hush()
    if (state.phase.kind === 'left') return
    run += 1
    const of = run
    take({ kind: 'ended' })
    // A server that ends each session at once is not asked without a pause.
    failures += 1
    if (failures === 1) void begin(of)
    else world.later(() => (of === run ? void begin(of) : undefined), backOffMs(failures, Math.random()))
  }

  const send = async (what: Operation, call: string, data: Data): Promise<boolean> => {
    const id = noted(what)
    const body = { operationId: id, data }
    const answer = await (what === 'activate' ? world.activate(body) : call === '' ? world.operateVoice(what, body) : world.operateCall(call, what, body))
    if (answer.kind === 'ok') return true
    take({ kind: 'refused', id, why: answer.failure })
    // Who does not answer this does not tell what happens either.
    if (answer.failure.kind === 'unreachable') bayeux?.doubt()
    if (answer.failure.kind === 'no-session') ended()
    if (answer.failure.kind === 'signed-out') world.onSignedOut()
    return false
  }

  return {
    state: () => state,
    onChange: (changed) => {
      readers.add(changed)
      return () => readers.delete(changed)
    },
    start: () => {
      run += 1
      void begin(run)
      return () => {
        run += 1
        void hush()
      }
    },
    retry: () => {
      if (bayeux !== undefined && state.phase.kind !== 'not-begun') return bayeux.retry()
      void hush()
      run += 1
      if (state.phase.kind === 'left' || state.phase.kind === 'not-begun') take({ kind: 'ended' })
      void begin(run)
    },
    ask: (what, call = '', data = {}) => {
      const does = (): Promise<boolean> => send(what, call, data)
      return AGAIN_AT_ONCE.includes(what) ? does() : once(JSON.stringify([what, call, data]), does)
    },
    noted,
    leave: async () => {
      const id = noted('logout')
      run += 1
      const of = run
      // Nobody listens any more when the session ends; who is not heard is not waited for.
      await Promise.race([hush(), new Promise<void>((resolve) => world.later(resolve, GOODBYE_MS))])
      const answer = await world.endSession()
      if (answer.kind === 'ok' || answer.failure.kind === 'no-session') return take({ kind: 'left' })
      take({ kind: 'refused', id, why: answer.failure })
      listen(of)
    },
    take,
  }
}
