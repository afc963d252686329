/** The devices of a phone: what is chosen is used, also in a call, and what is gone is replaced. */

import type { PhoneFault, PhoneInput, SoftphoneState } from '../softphone-state'
import type { CallAudio } from './call-audio'
import { keepDevices, keptDevices, usedFor, withLists, type AudioDevice, type AudioDevices, type Use } from './devices'
import type { PhoneAudio } from './phone-audio'

/** What is shown of the phone. */
export type ShownPhone = { readonly state: () => SoftphoneState; readonly take: (input: PhoneInput) => void }

export type DevicesWorld = { readonly audio: PhoneAudio; readonly keep: Pick<Storage, 'getItem' | 'setItem'>; readonly later: (run: () => void, ms: number) => () => void }

/** How long the bell is tried. */
const TRIED_MS = 2_500

export class PhoneDevices {
  private prepared: Promise<MediaStream> | undefined

  constructor(
    private readonly shown: ShownPhone,
    private readonly world: DevicesWorld,
    private readonly calls: () => Iterable<CallAudio>,
    /** A microphone is there that was missing. */
    private readonly isBack: () => void,
  ) {}

  /** What was chosen here, or in another tab before this one became the phone. */
  begin(): void {
    this.shown.take({ kind: 'devices', devices: keptDevices(this.world.keep) })
  }

  /** Asks for the microphone, so that no caller waits for the question. What is wrong with it, if anything. */
  async fault(): Promise<PhoneFault | undefined> {
    try {
      const stream = await this.open()
      // Names of devices are told to whom the microphone was given; by Firefox only for as long as it is open.
      await this.changed().finally(() => close(stream))
      return undefined
    } catch (error) {
      return error instanceof DOMException && error.name === 'NotAllowedError' ? 'denied' : 'no-microphone'
    }
  }

  /** Opens the microphone for the call that is answered next: a call is not answered without one. */
  async prepare(): Promise<void> {
    const opening = (this.prepared ??= this.open())
    try {
      await opening
    } catch (error) {
      if (this.prepared === opening) this.prepared = undefined
      throw error
    }
  }

  /** One that was unplugged since it was opened is no microphone any more. */
  async microphone(): Promise<MediaStream> {
    const stream = await this.taken()
    if (stream?.getAudioTracks().some(({ readyState }) => readyState === 'live') === true) return stream
    close(stream)
    return this.open()
  }

  /** Closes what was opened for an answer that was not given: nobody is to be heard without a call. */
  async forget(): Promise<void> {
    close(await this.taken().catch(() => undefined))
  }

  private taken(): Promise<MediaStream | undefined> {
    const stream = Promise.resolve(this.prepared)
    this.prepared = undefined
    return stream
  }

  /** Names what a call speaks by: where it is another one, another microphone is needed. */
  wanted(): string {
    const { devices } = this.shown.state()
    return `${usedFor('microphone', devices).id} ${devices.isCleaned}`
  }

  choose(use: Use, device: AudioDevice): void {
    const { devices } = this.shown.state()
    void this.use({ ...devices, chosen: { ...devices.chosen, [use]: device } })
  }

  clean(isCleaned: boolean): void {
    void this.use({ ...this.shown.state().devices, isCleaned })
  }

  /** Rings until the answer is called. */
  ring(): () => void {
    return this.world.audio.ring(usedFor('ring', this.shown.state().devices))
  }

  tryRing(): void {
    this.world.later(this.ring(), TRIED_MS)
  }

  /** Others are there now. */
  async changed(): Promise<void> {
    const found = await this.world.audio.devices().catch(() => [])
    const { devices, phase } = this.shown.state()
    this.shown.take({ kind: 'devices', devices: withLists(devices, found) })
    await this.apply()
    if (phase.kind === 'failed' && phase.why === 'no-microphone' && found.some(({ kind }) => kind === 'audioinput')) this.isBack()
  }

  private open(): Promise<MediaStream> {
    const { devices } = this.shown.state()
    return this.world.audio.microphone(usedFor('microphone', devices), devices.isCleaned)
  }

  private async use(devices: AudioDevices): Promise<void> {
    keepDevices(devices, this.world.keep)
    this.shown.take({ kind: 'devices', devices })
    await this.apply()
  }

  private async apply(): Promise<void> {
    this.world.audio.speakBy(usedFor('speaker', this.shown.state().devices))
    for (const call of this.calls()) await call.speakBy(this.wanted(), () => this.open(), this.world.audio)
  }
}

function close(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop()
}
