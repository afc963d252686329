/** Makes a phone of the page: it rings, answers, is heard, and goes on with the calls of a page that was here before. */

import type { Telemetry } from '../../../api/telemetry'
import type { PhoneNews } from '../../../live/sip-phone'
import type { PhoneDesk, PhoneEngine } from '../softphone'
import type { PhoneFault } from '../softphone-state'
import { CallAudio } from './call-audio'
import { keptCalls, phoneName, type KeptCall } from './kept-calls'
import { PhoneDevices, type DevicesWorld, type ShownPhone } from './phone-devices'
import { PhoneLink, type LinkWorld } from './phone-link'
import { keepLooking } from './phone-watch'
import { qualityItems } from './quality-items'

/** What the phone needs of the world. */
export type PhoneWorld = DevicesWorld & LinkWorld & {
  readonly keep: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  readonly telemetry: Pick<Telemetry, 'tell' | 'flush'>
  readonly now: () => number
  /** Whose numbers they are. */
  readonly tenant: string
}

/** A way that is lost comes back by itself, or not. */
const PATIENCE_MS = 2_000

/** One DN's phone, from its start to its stop. */
export class PhoneOfPage implements PhoneEngine {
  private isOver = false
  private hasRestored = false
  /** The agent was muted in the calls of the page before, and is until they go on. */
  private wasMuted = false
  private silence: (() => void) | undefined
  private forgetDevices = (): void => undefined
  private readonly calls = new Map<string, CallAudio>()
  readonly devices: PhoneDevices
  private readonly link: PhoneLink
  private readonly kept

  constructor(
    number: string,
    private readonly desk: PhoneDesk,
    private readonly shown: ShownPhone,
    private readonly world: PhoneWorld,
  ) {
    this.kept = keptCalls(phoneName(world.tenant, number), world.keep)
    this.devices = new PhoneDevices(shown, world, () => this.calls.values(), () => this.retry())
    this.link = new PhoneLink(number, world, {
      hears: (news) => this.heard(news),
      isLost: () => this.shown.take({ kind: 'phase', phase: { kind: 'lost' } }),
      isRefused: (said) => this.fails('refused', said),
      microphone: () => this.microphone(),
    })
  }

  // === from the start to the stop ===

  async begin(): Promise<void> {
    if (this.isOver) return
    this.shown.take({ kind: 'phase', phase: { kind: 'starting' } })
    this.devices.begin()
    this.forgetDevices = this.world.audio.onDevices(() => void this.devices.changed())
    keepLooking(this.world, { isOver: () => this.isOver, look: () => this.look(), hasSlept: () => this.hurry() })
    await this.tryWithMicrophone()
  }

  stop(): void {
    this.isOver = true
    void this.devices.forget()
    this.silence?.()
    this.forgetDevices()
    for (const call of this.calls.values()) call.end()
    if (this.hasRestored) this.kept.write({ calls: [], isMuted: false }, this.world.now())
    this.link.close()
  }

  retry(): void {
    void this.tryWithMicrophone()
  }

  /** The network is back, or another one. */
  hurry(): void {
    if (['ready', 'lost'].includes(this.shown.state().phase.kind)) void this.link.connect()
  }

  private async tryWithMicrophone(): Promise<void> {
    const fault = await this.devices.fault()
    if (fault !== undefined) this.fails(fault)
    else await this.link.connect()
  }

  private fails(why: PhoneFault, said = ''): void {
    if (!this.isOver) this.shown.take({ kind: 'phase', phase: { kind: 'failed', why, said } })
  }

  // === what the phone says ===

  private heard(news: Exclude<PhoneNews, { kind: 'lost' }>): void {
    switch (news.kind) {
      case 'registered':
        return this.registered()
      case 'ringing':
        this.add(news.call, news.number)
        this.shown.take({ kind: 'call', call: { id: news.call, number: news.number, phase: 'ringing' } })
        if (news.answersItself) return void this.answer(news.call)
        return this.changed()
      case 'wanted':
        return void this.answer(news.call)
      case 'talking':
        return this.talks(news)
      case 'no-way':
        return void this.world.later(() => this.findWay(news.call, false), PATIENCE_MS)
      case 'over':
        return this.over(news.call)
    }
  }

  private registered(): void {
    this.shown.take({ kind: 'phase', phase: { kind: 'ready' } })
    if (this.hasRestored) return this.calls.forEach((_, id) => this.findWay(id, true))
    const { calls, isMuted } = this.kept.read(this.world.now())
    ;[this.hasRestored, this.wasMuted] = [true, isMuted]
    for (const call of calls) void this.restore(call)
  }

  /** A call of a page that is gone. Who was on hold hears nobody until the music plays again. */
  private async restore({ call, number, dialog }: KeptCall): Promise<void> {
    const audio = this.add(call, number)
    audio.dialog = dialog
    this.shown.take({ kind: 'call', call: { id: call, number, phase: 'answering' } })
    audio.isHeld = this.desk.isHeld(number)
    if ((await this.link.phone?.takeOver(call, dialog)) !== true) return this.over(call)
    if (!audio.isHeld) return
    await this.desk.hold(number)
    audio.isHeld = false
    this.tellMuted()
  }

  private talks({ call, dialog, connection, local, remote }: Extract<PhoneNews, { kind: 'talking' }>): void {
    const audio = this.add(call, '')
    audio.dialog = dialog
    audio.begin({ connection, local, remote, by: this.devices.wanted() }, this.world.audio)
    this.shown.take({ kind: 'call', call: { id: call, number: audio.number, phase: 'talking' } })
    if (this.wasMuted) this.shown.take({ kind: 'muted', isMuted: true })
    this.wasMuted = false
    this.tellMuted()
    this.changed()
  }

  private over(id: string): void {
    const call = this.calls.get(id)
    if (call === undefined) return
    if (this.calls.delete(id) && this.calls.size === 0) this.wasMuted = false
    call.end()
    for (const item of qualityItems(call.heard)) this.world.telemetry.tell(item)
    void this.world.telemetry.flush()
    this.shown.take({ kind: 'over', call: id })
    this.changed()
  }

  /** The audio's way is looked for anew where it is lost still, or where the network may be another one. */
  private findWay(id: string, isOther: boolean): void {
    const call = this.calls.get(id)
    if (this.isOver || this.shown.state().phase.kind !== 'ready' || call?.connection === undefined || (!isOther && !call.isLost())) return
    // It is asked for again where it is refused for now.
    void this.link.phone?.restartIce(id)
    if (!isOther) this.world.later(() => void (call.isLost() ? this.link.connect() : undefined), 2 * PATIENCE_MS)
  }

  private add(id: string, number: string): CallAudio {
    const call = this.calls.get(id) ?? new CallAudio(number)
    this.calls.set(id, call)
    return call
  }

  // === what the person does ===

  async answer(id: string): Promise<boolean> {
    const call = this.calls.get(id)
    const before = this.shown.state().calls.find((one) => one.id === id)
    if (call === undefined || before === undefined || this.link.phone === undefined) return false
    if (before.phase !== 'ringing') return true
    try {
      this.shown.take({ kind: 'call', call: { ...before, phase: 'answering' } })
      this.changed()
      await this.devices.prepare()
      // Meanwhile the caller may have hung up, or the phone may have been stopped.
      if (this.isOver || !this.calls.has(id)) throw new Error('the call is over')
      await this.link.phone.answer(id)
      return true
    } catch {
      await this.devices.forget()
      if (this.isOver) return false
      if (this.calls.has(id)) this.shown.take({ kind: 'call', call: before })
      this.changed()
      const fault = this.calls.has(id) ? await this.devices.fault() : undefined
      if (fault !== undefined) this.fails(fault)
      return false
    }
  }

  /** By SIP itself: also while the desk is not reached. */
  hangUp(id: string): void {
    if (this.calls.has(id)) void this.link.phone?.hangUp(id).catch(() => undefined)
  }

  mute(isMuted: boolean): void {
    this.shown.take({ kind: 'muted', isMuted })
    this.tellMuted()
    this.changed()
  }

  /** Nobody is heard for a moment who was muted before the page was loaded again. */
  private async microphone(): Promise<MediaStream> {
    const stream = await this.devices.microphone()
    if (this.wasMuted) for (const track of stream.getAudioTracks()) track.enabled = false
    return stream
  }

  private tellMuted(): void {
    const { isMuted } = this.shown.state()
    for (const call of this.calls.values()) call.mute(isMuted || call.isHeld)
  }

  level(): number {
    return this.shown.state().isMuted ? 0 : this.world.audio.level()
  }

  // === what is looked at now and then ===

  /** Keeps the names of the dialogs, and rings as long as something rings. */
  private changed(): void {
    const kept = [...this.calls].flatMap(([call, { number, dialog, connection }]) => (dialog === undefined || connection === undefined ? [] : [{ call, number, dialog }]))
    if (this.hasRestored) this.kept.write({ calls: kept, isMuted: this.shown.state().isMuted }, this.world.now())
    const rings = this.shown.state().calls.some(({ phase }) => phase === 'ringing')
    if (rings) this.silence ??= this.devices.ring()
    else {
      this.silence?.()
      this.silence = undefined
    }
  }

  private look(): void {
    for (const call of this.calls.values()) void call.count((quality) => this.shown.take({ kind: 'quality', quality }))
    if (this.calls.size > 0) this.changed()
  }
}
