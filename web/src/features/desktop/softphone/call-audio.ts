/** One call as it is heard: its microphone, its loudspeaker, and how well it is heard. */

import type { DialogName } from '../../../live/sip-phone'
import { countsIn, qualityBetween, type AudioCounts, type CallQuality } from './call-quality'
import type { PhoneAudio } from './phone-audio'

/** Of a long call the last hour counts. */
const HEARD_MAX = 720

/** What a call is heard by; `by` names the microphone. */
export type HeardBy = { readonly connection: RTCPeerConnection; readonly local: MediaStream; readonly remote: MediaStream; readonly by: string }

export class CallAudio {
  dialog: DialogName | undefined
  connection: RTCPeerConnection | undefined
  /** On hold, and to be put there again after a page was loaded: nobody is to hear us until then. */
  isHeld = false
  readonly heard: CallQuality[] = []
  private counts: AudioCounts | undefined
  private by: string | undefined
  private ends: (() => void)[] = []
  private measured = (): void => undefined

  constructor(readonly number: string) {}

  begin({ connection, local, remote, by }: HeardBy, audio: PhoneAudio): void {
    this.end()
    this.connection = connection
    this.by = by
    this.ends = [audio.play(remote)]
    this.measured = audio.measure(local)
  }

  end(): void {
    for (const end of this.ends) end()
    this.ends = []
    this.measured()
    this.measured = () => undefined
    this.connection = undefined
  }

  isLost(): boolean {
    return this.connection !== undefined && ['disconnected', 'failed'].includes(this.connection.iceConnectionState)
  }

  mute(isMuted: boolean): void {
    for (const { track } of this.connection?.getSenders() ?? []) if (track !== null) track.enabled = !isMuted
  }

  /** Another microphone, where `wanted` says that it is another one than before, or where that is gone. One that cannot be had leaves what there is. */
  async speakBy(wanted: string, microphone: () => Promise<MediaStream>, audio: PhoneAudio): Promise<void> {
    const { connection } = this
    if (connection === undefined) return
    const sender = connection.getSenders().find(({ track }) => track === null || track.kind === 'audio')
    if (this.by === wanted && sender?.track?.readyState === 'live') return
    this.by = wanted
    const stream = await microphone().catch(() => undefined)
    const [track] = stream?.getAudioTracks() ?? []
    // The call may be over, or speak by another one by now: what was opened for it is closed again.
    const isStillWanted = this.connection === connection && this.by === wanted
    if (sender === undefined || stream === undefined || track === undefined || !isStillWanted) return stream?.getTracks().forEach((one) => one.stop())
    track.enabled = sender.track?.enabled ?? true
    sender.track?.stop()
    await sender.replaceTrack(track)
    this.measured()
    this.measured = audio.measure(stream)
  }

  /** Reads what has come since the last time. */
  async count(tell: (quality: CallQuality) => void): Promise<void> {
    const { connection } = this
    const report = await connection?.getStats().catch(() => undefined)
    const now = report === undefined ? undefined : countsIn(entriesOf(report))
    if (now === undefined || connection !== this.connection) return
    const quality = qualityBetween(this.counts, now)
    this.counts = now
    if (quality === undefined) return
    this.heard.push(quality)
    if (this.heard.length > HEARD_MAX) this.heard.shift()
    tell(quality)
  }
}

function entriesOf(report: RTCStatsReport): readonly (readonly [string, unknown])[] {
  const entries: (readonly [string, unknown])[] = []
  report.forEach((value: unknown, name: string) => entries.push([name, value]))
  return entries
}
