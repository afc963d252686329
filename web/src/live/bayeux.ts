/** Messages by Bayeux, with the published client: long polls, acknowledged, for as long as they are wanted. */

import { AckExtension, CometD, type Message } from 'cometd'
import { subjectHeader } from '../api/subject'
import { note } from '../lib/noted'

export type BayeuxNews =
  /** What the server has said until now has come; a first time, and after each loss. */
  | { readonly kind: 'connected' }
  /** It does not answer; it is tried again without end. `isReplaced`: the session has too many listeners, this one is none any more, and nothing is tried until somebody wants it. */
  | { readonly kind: 'lost'; readonly isReplaced?: boolean }
  /** There is no session, or it is another person's: nothing is tried any more. */
  | { readonly kind: 'no-session' }
  | { readonly kind: 'message'; readonly data: unknown }

export type BayeuxOptions = { readonly url: string; readonly channels: readonly string[]; readonly onNews: (news: BayeuxNews) => void }

export type Bayeux = {
  /** Tries now, and not at the end of a pause. */
  readonly retry: () => void
  /** Something else was not answered: it counts as lost until it is heard again, which is tried at once. */
  readonly doubt: () => void
  /** Says goodbye; the answer is there when that has been heard. */
  readonly close: () => Promise<void>
}

/** How late an answer may be: a path that is silently dead shows so long after a poll should have been answered. */
const LATE_MS = 5_000
/** Pauses grow by that much, and by as much again at random: a thousand desktops do not come back in one moment. */
const PAUSE_MS = 500
const PAUSE_MOST_MS = 5_000

/** Opens it. */
export function openBayeux(options: BayeuxOptions): Bayeux {
  let state: 'connecting' | 'live' | 'lost' | 'over' = 'connecting'
  let end = (): Promise<void> => Promise.resolve()
  // In a task of its own, so that an error of ours is an error of the page: the client would swallow it.
  const tell = (news: BayeuxNews): void => queueMicrotask(() => options.onNews(news))
  const begin = (): void => {
    end = connect(options, {
      isAnswered: () => {
        if (state === 'live' || state === 'over') return
        state = 'live'
        tell({ kind: 'connected' })
      },
      isLost: () => {
        if (state === 'lost' || state === 'over') return
        state = 'lost'
        note({ kind: 'lost', where: 'notifications' })
        tell({ kind: 'lost' })
      },
      isReplaced: () => {
        if (state === 'over') return
        state = 'lost'
        tell({ kind: 'lost', isReplaced: true })
      },
      isRefused: () => {
        if (state === 'over') return
        state = 'over'
        tell({ kind: 'no-session' })
      },
      hears: (data) => tell({ kind: 'message', data }),
    })
  }
  const retry = (): void => {
    if (state !== 'lost') return
    // The client cannot be hurried: another one takes its place, and what has happened is read from the session.
    void end()
    begin()
  }
  const doubt = (): void => {
    if (state !== 'live') return
    state = 'lost'
    tell({ kind: 'lost' })
    retry()
  }
  begin()
  return {
    retry,
    doubt,
    close: () => {
      const isOpen = state === 'live'
      state = 'over'
      const goodbye = end()
      return isOpen ? goodbye : Promise.resolve()
    },
  }
}

type Heard = { readonly isAnswered: () => void; readonly isLost: () => void; readonly isReplaced: () => void; readonly isRefused: () => void; readonly hears: (data: unknown) => void }

/** One client from beginning to end; the answer ends it. */
function connect({ url, channels }: BayeuxOptions, heard: Heard): () => Promise<void> {
  const client = new CometD()
  let isOver = false
  const end = (): Promise<void> => {
    isOver = true
    return new Promise((resolve) => client.disconnect(() => resolve()))
  }
  // The content security policy lets no worker be made of a text, and only what is served is offered.
  client.configure({ url, logLevel: 'warn', requestHeaders: subjectHeader(), useWorkerScheduler: false, maxNetworkDelay: LATE_MS, backoffIncrement: PAUSE_MS * (1 + Math.random()), maxBackoff: PAUSE_MOST_MS })
  client.unregisterTransport('websocket')
  client.unregisterTransport('callback-polling')
  client.registerExtension('ack', new AckExtension())
  const failed = (reply: Message): void => {
    if (isOver) return
    if (!OVER.includes(statusOf(reply) ?? 0)) return heard.isLost()
    void end()
    heard.isRefused()
  }
  let handshakes = 0
  const subscribe = (channel: string): void => {
    const of = handshakes
    client.subscribe(
      channel,
      ({ data }) => (isOver ? undefined : heard.hears(data)),
      (reply) => {
        // Polls alone would go on and bring nothing: the server keeps events until there is a subscription.
        if (reply.successful !== true && !isOver) setTimeout(() => (of === handshakes && !isOver ? subscribe(channel) : undefined), PAUSE_MS)
      },
    )
  }
  client.addListener('/meta/handshake', (reply) => {
    if (reply.successful !== true && reply.advice?.reconnect === STOP && !isOver) {
      // Too many pages of this session are open: the client asks no more.
      void end()
      return heard.isReplaced()
    }
    if (reply.successful !== true) return failed(reply)
    // Each handshake forgets what was subscribed to.
    handshakes += 1
    client.batch(() => channels.forEach(subscribe))
  })
  client.addListener('/meta/connect', (reply) => {
    if (isOver) return
    if (reply.advice?.reconnect !== STOP) return reply.successful === true ? heard.isAnswered() : failed(reply)
    // The client asks no more then, and says so to nobody: another one has taken its place, or the session is over.
    void end()
    if (reply.successful === true) heard.isRefused()
    else heard.isReplaced()
  })
  client.handshake()
  return end
}

const STOP = 'none'
/** There is no session, or somebody else has signed in in this browser, and it is theirs. */
const OVER = [403, 412]

/** The HTTP status of a request that has failed. */
function statusOf(reply: Message): number | undefined {
  const failure: unknown = Object.entries(reply).find(([name]) => name === 'failure')?.[1]
  return typeof failure === 'object' && failure !== null && 'httpCode' in failure && typeof failure.httpCode === 'number' ? failure.httpCode : undefined
}
