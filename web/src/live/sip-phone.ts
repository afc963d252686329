/** A phone by SIP over WebSocket (RFC 7118), with SIP.js: it registers, is called, and takes the place of a call's dialog that another page had. */

import { Invitation, Inviter, Registerer, RegistererState, RequestPendingError, SessionState, UserAgent, Web, type Session } from 'sip.js'
import { reinvited, type Reinvited } from './re-invite'
import { watchSocket } from './socket-watch'

/** What names a dialog (RFC 3261 section 12), as its own side sees it. */
export type DialogName = { readonly callId: string; readonly localTag: string; readonly remoteTag: string }

export type PhoneNews =
  | { readonly kind: 'registered' }
  /** Nothing comes any more until it connects anew. */
  | { readonly kind: 'lost' }
  /** `answersItself`: the phone's own user has asked for the call. */
  | { readonly kind: 'ringing'; readonly call: string; readonly number: string; readonly answersItself: boolean }
  /** Somebody has asked this phone to answer. */
  | { readonly kind: 'wanted'; readonly call: string }
  | { readonly kind: 'talking'; readonly call: string; readonly dialog: DialogName | undefined; readonly connection: RTCPeerConnection; readonly local: MediaStream; readonly remote: MediaStream }
  /** The audio has lost its way. */
  | { readonly kind: 'no-way'; readonly call: string }
  | { readonly kind: 'over'; readonly call: string }

export type PhoneOptions = {
  /** The WebSocket with the ticket. */
  readonly url: string
  readonly realm: string
  readonly number: string
  /** A UUID: the same one stands for the same phone. */
  readonly instance: string
  readonly microphone: () => Promise<MediaStream>
  readonly onNews: (news: PhoneNews) => void
}

export type SipPhone = {
  /** Rejects where there is no microphone, or the call is over. */
  readonly answer: (call: string) => Promise<void>
  /** Refuses what rings (486), and ends what was answered. One that is over stays so. */
  readonly hangUp: (call: string) => Promise<void>
  /** Goes on with a call of a page that is gone (RFC 3891). Whether that was accepted. */
  readonly takeOver: (call: string, dialog: DialogName) => Promise<boolean>
  /** Looks for the audio's way anew (RFC 8839 section 4.4.1.1.1), again where that is refused for now. Whether it was taken. */
  readonly restartIce: (call: string) => Promise<boolean>
  /** Opens another WebSocket. Rejects where it cannot be reached. */
  readonly reconnect: (url: string) => Promise<void>
  /** Hangs up and unregisters. */
  readonly close: () => Promise<void>
}

/** Short, so that a page which has crashed is not rung for long. */
const REGISTERED_SECONDS = 120
/** The registration is made anew after three quarters of its time, as a look whether the server still answers: SIP.js does so with its last moments, and gives up after 32 s more. */
const REFRESH_MS = 750 * REGISTERED_SECONDS
/** Addresses of this machine are found in a moment, and no others are asked for. */
const GATHERED_MS = 1_000
/** Longer than any queue lets a phone ring: the switch decides. */
const NO_ANSWER_SECONDS = 600
const GOODBYE_MS = 1_000
/** A registration without an answer in that time has failed. */
const ANSWERED_MS = 8_000

/** The person at this phone does not want the call now: busy here (RFC 3261 section 21.4.24). */
const REFUSED = 486

/** Goes to another address with each ticket. */
class TicketTransport extends Web.Transport {
  url: string | undefined

  override get server(): string {
    return this.url ?? super.server
  }
}

/** Opens it: the first news is that it has registered, or is lost. */
export function openSipPhone(options: PhoneOptions): SipPhone {
  const { number, realm, onNews } = options
  const sessions = new Map<string, Session>()
  const restarts = new Map<string, Promise<boolean>>()
  let isClosed = false
  const tell = (news: PhoneNews): void => (isClosed ? undefined : onNews(news))
  const own = UserAgent.makeURI(`sip:${number}@${realm}`)
  if (own === undefined) throw new Error('the number or the realm makes no address')
  const agent = new UserAgent({
    uri: own,
    contactName: number,
    instanceId: options.instance,
    transportConstructor: TicketTransport,
    transportOptions: { server: options.url, traceSip: false },
    // The address of the WebSocket has the ticket.
    logBuiltinEnabled: false,
    logConfiguration: false,
    noAnswerTimeout: NO_ANSWER_SECONDS,
    sessionDescriptionHandlerFactory: Web.defaultSessionDescriptionHandlerFactory(options.microphone),
    sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: GATHERED_MS, peerConnectionConfiguration: { iceServers: [], bundlePolicy: 'max-bundle' } },
    delegate: {
      onInvite: (invitation) => rings(invitation),
      onDisconnect: () => tell({ kind: 'lost' }),
    },
  })
  const newRegisterer = (): Registerer => {
    const made = new Registerer(agent, { expires: REGISTERED_SECONDS, instanceId: options.instance, regId: 1 })
    made.stateChange.addListener((state) => {
      if (made === registerer && state === RegistererState.Unregistered) tell({ kind: 'lost' })
    })
    return made
  }
  let registerer = newRegisterer()
  let refreshing: ReturnType<typeof setTimeout> | undefined
  let unwatch = (): void => undefined

  const follow = (call: string, session: Session): void => {
    sessions.set(call, session)
    session.stateChange.addListener((state) => {
      if (state === SessionState.Terminated) {
        // A call that has been taken over has another session by now.
        if (sessions.get(call) === session && sessions.delete(call)) tell({ kind: 'over', call })
        return
      }
      const handler = handlerOf(session)
      const connection = handler?.peerConnection
      if (state !== SessionState.Established || handler === undefined || connection === undefined) return
      connection.addEventListener('iceconnectionstatechange', () => {
        if (['disconnected', 'failed'].includes(connection.iceConnectionState)) tell({ kind: 'no-way', call })
      })
      tell({ kind: 'talking', call, dialog: dialogOf(session), connection, local: handler.localMediaStream, remote: handler.remoteMediaStream })
    })
  }
  const rings = (invitation: Invitation): void => {
    const call = invitation.request.callId
    follow(call, invitation)
    const { dialog } = invitation
    if (dialog !== undefined) {
      dialog.delegate = {
        onNotify: (incoming) => {
          incoming.accept()
          if (/^talk\b/i.test(incoming.message.getHeader('Event')?.trim() ?? '')) tell({ kind: 'wanted', call })
        },
      }
    }
    const answersItself = /;\s*answer-after\s*=\s*0\b/i.test(invitation.request.getHeader('Call-Info') ?? '')
    tell({ kind: 'ringing', call, number: invitation.remoteIdentity.uri.user ?? '', answersItself })
  }

  const register = async (): Promise<void> => {
    clearTimeout(refreshing)
    unwatch()
    const answered = new Promise<boolean>((resolve) => {
      setTimeout(() => resolve(false), ANSWERED_MS)
      const delegate = { onAccept: () => resolve(true), onReject: () => resolve(false) }
      const ask = (): Promise<unknown> => registerer.register({ requestDelegate: delegate })
      ask().catch((error: unknown) => {
        if (!(error instanceof RequestPendingError)) return resolve(false)
        // One that waits for an answer to what went into a dead connection would refuse each attempt until it gives up. Nobody hears it any more.
        registerer = newRegisterer()
        ask().catch(() => resolve(false))
      })
    })
    if (!(await answered)) throw new Error('not registered')
    if (isClosed) return
    const { transport } = agent
    if (transport instanceof TicketTransport && transport.ws !== undefined) unwatch = watchSocket(transport.ws, () => tell({ kind: 'lost' }))
    refreshing = setTimeout(() => void register().catch(() => tell({ kind: 'lost' })), REFRESH_MS)
  }
  const begin = async (): Promise<void> => {
    await agent.start()
    await register()
    tell({ kind: 'registered' })
  }
  begin().catch(() => tell({ kind: 'lost' }))

  return {
    answer: async (call) => {
      const session = sessions.get(call)
      if (!(session instanceof Invitation)) throw new Error('the call is over')
      // A press that comes twice answers once.
      if (session.state === SessionState.Initial) await session.accept()
    },
    hangUp: async (call) => {
      const session = sessions.get(call)
      if (session?.state === SessionState.Established) await session.bye()
      else if (session instanceof Invitation && session.state === SessionState.Initial) await session.reject({ statusCode: REFUSED })
      else if (session instanceof Inviter) await session.cancel()
      else await session?.dispose()
    },
    takeOver: (call, dialog) => {
      const replaces = `Replaces: ${dialog.callId};to-tag=${dialog.remoteTag};from-tag=${dialog.localTag}`
      const inviter = new Inviter(agent, own, { extraHeaders: [replaces, 'Require: replaces'] })
      follow(call, inviter)
      return new Promise((resolve) => {
        const delegate = { onAccept: () => resolve(true), onReject: () => resolve(false) }
        inviter.invite({ requestDelegate: delegate }).catch(() => resolve(false))
      })
    },
    restartIce: (call) => {
      // One that is under way and is taken is enough: each restart interrupts the audio.
      const mine = (restarts.get(call) ?? Promise.resolve(false)).then((isTaken) => isTaken || reinvited(() => restarted(sessions.get(call)), sessions.get(call) instanceof Inviter, { wait, chance: Math.random }))
      restarts.set(call, mine)
      void mine.then(() => (restarts.get(call) === mine ? restarts.delete(call) : undefined))
      return mine
    },
    reconnect: async (url) => {
      const { transport } = agent
      if (transport instanceof TicketTransport) transport.url = url
      // One that seems open may lead nowhere after another network; nobody waits for its end.
      transport.disconnect().catch(() => undefined)
      clearTimeout(refreshing)
      unwatch()
      await transport.connect()
      await register()
      tell({ kind: 'registered' })
    },
    close: async () => {
      isClosed = true
      clearTimeout(refreshing)
      unwatch()
      const patience = new Promise<void>((resolve) => setTimeout(resolve, GOODBYE_MS))
      await Promise.race([agent.stop().catch(() => undefined), patience])
    },
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks once with an offer whose audio finds its way anew. */
function restarted(session: Session | undefined): Promise<Reinvited> {
  if (session?.state !== SessionState.Established) return Promise.resolve('over')
  return new Promise((resolve) => {
    // With the call no answer comes any more.
    session.stateChange.addListener(() => resolve('over'), { once: true })
    const requestDelegate = { onAccept: () => resolve(200), onReject: ({ message }: { readonly message: { readonly statusCode?: number | undefined } }) => resolve(message.statusCode ?? 0) }
    session.invite({ requestDelegate, sessionDescriptionHandlerOptions: { offerOptions: { iceRestart: true } } as Web.SessionDescriptionHandlerOptions }).catch((error: unknown) => resolve(error instanceof RequestPendingError ? 'pending' : 'over'))
  })
}

function handlerOf(session: Session | undefined): Web.SessionDescriptionHandler | undefined {
  const handler = session?.sessionDescriptionHandler
  return handler instanceof Web.SessionDescriptionHandler ? handler : undefined
}

function dialogOf({ dialog }: Session): DialogName | undefined {
  return dialog === undefined ? undefined : { callId: dialog.callId, localTag: dialog.localTag, remoteTag: dialog.remoteTag }
}
