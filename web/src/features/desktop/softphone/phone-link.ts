/** The connection of the phone: each time by a ticket of its own, again and again until it stands. */

import { phoneDevice, type PhoneTicket } from '../../../api/browser-phone'
import type { DeskAnswer } from '../../../api/workspace'
import { backOffMs } from '../../../live/back-off'
import type { PhoneNews, PhoneOptions, SipPhone } from '../../../live/sip-phone'

export type LinkWorld = {
  readonly readTicket: (device: string) => Promise<DeskAnswer<PhoneTicket>>
  readonly openPhone: (options: PhoneOptions) => SipPhone
  readonly keep: Pick<Storage, 'getItem' | 'setItem'>
  /** Runs once after a time; the answer takes that back. */
  readonly later: (run: () => void, ms: number) => () => void
}

export type LinkHeard = {
  readonly hears: (news: Exclude<PhoneNews, { kind: 'lost' }>) => void
  /** It does not stand, and is tried again. */
  readonly isLost: () => void
  /** The server refuses it for good, for that reason. */
  readonly isRefused: (said: string) => void
  readonly microphone: () => Promise<MediaStream>
}

export class PhoneLink {
  phone: SipPhone | undefined
  private isOver = false
  private isConnecting = false
  private failures = 0
  private takeBack = (): void => undefined

  constructor(
    private readonly number: string,
    private readonly world: LinkWorld,
    private readonly heard: LinkHeard,
  ) {}

  /** Connects, or connects anew. */
  async connect(): Promise<void> {
    if (this.isOver || this.isConnecting) return
    this.isConnecting = true
    this.takeBack()
    const outcome = await this.tryToConnect()
    this.isConnecting = false
    if (outcome === 'later') this.again()
  }

  close(): void {
    this.isOver = true
    this.takeBack()
    void this.phone?.close()
  }

  private async tryToConnect(): Promise<'done' | 'later'> {
    const instance = phoneDevice(this.world.keep)
    const answer = await this.world.readTicket(instance)
    if (this.isOver) return 'done'
    if (answer.kind === 'failed') {
      const { failure } = answer
      if (failure.kind !== 'refused' || failure.status >= 500 || failure.status === 429) return 'later'
      this.heard.isRefused(failure.why)
      return 'done'
    }
    const { url, realm } = answer.value
    try {
      if (this.phone === undefined) this.phone = this.world.openPhone({ url, realm, number: this.number, instance, microphone: this.heard.microphone, onNews: (news) => this.hears(news) })
      else await this.phone.reconnect(url)
      return 'done'
    } catch {
      return 'later'
    }
  }

  private hears(news: PhoneNews): void {
    if (this.isOver) return
    if (news.kind === 'registered') this.failures = 0
    if (news.kind !== 'lost') this.heard.hears(news)
    // While it connects it is lost, too: that says itself what became of it.
    else if (!this.isConnecting) this.again()
  }

  private again(): void {
    if (this.isOver) return
    this.heard.isLost()
    this.failures += 1
    this.takeBack()
    this.takeBack = this.world.later(() => void this.connect(), backOffMs(this.failures, Math.random()))
  }
}
