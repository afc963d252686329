/** A phone of the page whose world is told: no browser, no server. */

import type { PhoneTicket } from '../../../api/browser-phone'
import type { Item } from '../../../api/telemetry'
import type { DeskAnswer } from '../../../api/workspace'
import type { PhoneNews, SipPhone } from '../../../live/sip-phone'
import { afterPhone, NO_PHONE, type PhoneInput, type SoftphoneState } from '../softphone-state'
import { PhoneOfPage } from './phone-of-page'

const DIALOG = { callId: 'c1', localTag: 'ours', remoteTag: 'theirs' }
const TICKET: DeskAnswer<PhoneTicket> = { kind: 'ok', value: { url: 'wss://desk.example/webrtc?ticket=x', realm: 'example.invalid', number: '7101' } }

export const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve()
}

export function connection(): RTCPeerConnection {
  const track = { kind: 'audio', enabled: true, readyState: 'live', stop: () => undefined }
  const senders = [{ track, replaceTrack: (next: typeof track) => Promise.resolve(void (senders[0] = { ...senders[0]!, track: next })) }]
  return { iceConnectionState: 'connected', getSenders: () => senders, getStats: () => Promise.resolve(new Map()) } as unknown as RTCPeerConnection
}

/** A phone whose world is told, and what it asks of it. */
export function bench(kept = new Map<string, string>(), held: readonly string[] = []) {
  const did: string[] = []
  const later: { run: () => void; ms: number }[] = []
  const told: Item[] = []
  const opened: ((news: PhoneNews) => void)[] = []
  const answers: DeskAnswer<PhoneTicket>[] = []
  let state: SoftphoneState = NO_PHONE
  let now = 1_000_000
  let onAnswer = (): Promise<void> => Promise.resolve()
  let devices: () => readonly object[] = () => [{ kind: 'audioinput', deviceId: 'head', label: 'Headset' }]
  let microphone: () => Promise<MediaStream> = () => Promise.resolve(stream())
  const stream = (): MediaStream => ({ getTracks: () => [{ kind: 'audio', stop: () => undefined, enabled: true, readyState: 'live' }], getAudioTracks: () => [{ kind: 'audio', stop: () => undefined, enabled: true, readyState: 'live', label: 'other' }] }) as unknown as MediaStream
  const sip: SipPhone = {
    answer: async (id) => {
      did.push(`answer ${id}`)
      await onAnswer()
    },
    hangUp: (id) => Promise.resolve(void did.push(`hang up ${id}`)),
    takeOver: (id, { remoteTag }) => Promise.resolve(did.push(`take over ${id} ${remoteTag}`) > 0),
    restartIce: (id) => Promise.resolve(did.push(`restart ${id}`) > 0),
    reconnect: (url) => Promise.resolve(void did.push(`reconnect ${url.slice(-1)}`)),
    close: () => Promise.resolve(void did.push('close')),
  }
  const take = (input: PhoneInput): void => {
    state = afterPhone(state, input)
  }
  const phone = new PhoneOfPage('7101', { isHeld: (number) => held.includes(number), hold: (number) => Promise.resolve(void did.push(`hold ${number}`)) }, { state: () => state, take }, {
    readTicket: () => Promise.resolve(answers.shift() ?? TICKET),
    openPhone: ({ onNews }) => {
      opened.push(onNews)
      return sip
    },
    audio: {
      microphone: (device, isCleaned) => {
        did.push(`microphone ${device.id}${isCleaned ? '' : ' raw'}`)
        return microphone()
      },
      devices: () => Promise.resolve(devices() as MediaDeviceInfo[]),
      onDevices: () => () => undefined,
      play: () => {
        did.push('play')
        return () => void did.push('end')
      },
      speakBy: () => undefined,
      ring: () => {
        did.push('ring')
        return () => void did.push('silence')
      },
      measure: () => () => undefined,
      level: () => 0.5,
    },
    keep: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value), removeItem: (name) => void kept.delete(name) },
    telemetry: { tell: (item) => void told.push(item), flush: () => Promise.resolve() },
    now: () => now,
    tenant: 'example',
    later: (run, ms) => {
      const one = { run, ms }
      later.push(one)
      return () => void later.splice(later.indexOf(one), 1)
    },
  })
  return {
    did,
    kept,
    told,
    answers,
    phone,
    state: () => state,
    hear: (news: PhoneNews) => opened.at(-1)?.(news),
    isOpen: () => opened.length > 0,
    pass: (ms: number) => (now += ms),
    /** Runs what was put off until now. */
    wait: async () => {
      for (const { run } of later.splice(0)) run()
      await settled()
    },
    withMicrophone: (next: () => Promise<MediaStream>) => (microphone = next),
    withDevices: (next: () => readonly object[]) => (devices = next),
    withAnswer: (next: () => Promise<void>) => (onAnswer = next),
    talks: (id: string, by = connection()) => opened.at(-1)?.({ kind: 'talking', call: id, dialog: DIALOG, connection: by, local: stream(), remote: stream() }),
  }
}

export async function registered(...given: Parameters<typeof bench>) {
  const made = bench(...given)
  await made.phone.begin()
  made.hear({ kind: 'registered' })
  await settled()
  made.did.length = 0
  return made
}

export const rings = (id = 'c1', answersItself = false): PhoneNews => ({ kind: 'ringing', call: id, number: '+4930', answersItself })
export const phases = ({ calls }: SoftphoneState): readonly string[] => calls.map(({ id, phase }) => `${id} ${phase}`)
