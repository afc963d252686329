/** Which microphone, which loudspeaker, and on what it rings: what is chosen, kept, and there. */

export const USES = ['microphone', 'speaker', 'ring'] as const
/** What a device is for. */
export type Use = (typeof USES)[number]

export type AudioDevice = { readonly id: string; readonly label: string }

export type AudioDevices = {
  readonly microphones: readonly AudioDevice[]
  /** Empty where the browser lets nobody choose. */
  readonly speakers: readonly AudioDevice[]
  readonly chosen: Readonly<Record<Use, AudioDevice>>
  /** Whether the browser takes echo and noise away. */
  readonly isCleaned: boolean
}

/** That of the browser or the system, whichever it is at the moment. */
export const USUAL: AudioDevice = { id: '', label: '' }

export const NO_DEVICES: AudioDevices = { microphones: [], speakers: [], chosen: { microphone: USUAL, speaker: USUAL, ring: USUAL }, isCleaned: true }

const KEPT = 'trunkline.phone.audio'

/** The lists of what is there now. */
export function withLists(devices: AudioDevices, found: readonly Pick<MediaDeviceInfo, 'kind' | 'deviceId' | 'label'>[]): AudioDevices {
  // A browser may tell names only while the microphone is open: what was told once is known.
  const known = new Map([...devices.microphones, ...devices.speakers].map(({ id, label }) => [id, label]))
  // What the browser calls default stands for the one that it names anyway.
  const of = (kind: MediaDeviceKind): readonly AudioDevice[] =>
    found.filter((one) => one.kind === kind && !['', 'default', 'communications'].includes(one.deviceId)).map(({ deviceId, label }) => ({ id: deviceId, label: label || (known.get(deviceId) ?? '') }))
  return { ...devices, microphones: of('audioinput'), speakers: of('audiooutput') }
}

/** The device to be used: the chosen one, also under another id after it was plugged in again; the usual one where it is not there. */
export function usedFor(use: Use, devices: AudioDevices): AudioDevice {
  const { id, label } = devices.chosen[use]
  const there = use === 'microphone' ? devices.microphones : devices.speakers
  return there.find((one) => one.id === id) ?? there.find((one) => label !== '' && one.label === label) ?? USUAL
}

/** Those that were chosen and are not there. */
export function missingUses(devices: AudioDevices): readonly Use[] {
  return USES.filter((use) => devices.chosen[use].id !== '' && usedFor(use, devices).id === '')
}

export function keptDevices(keep: Pick<Storage, 'getItem'>): AudioDevices {
  try {
    const kept: unknown = JSON.parse(keep.getItem(KEPT) ?? '')
    if (typeof kept !== 'object' || kept === null) return NO_DEVICES
    const of = (use: Use): AudioDevice => deviceIn(Object.entries(kept).find(([name]) => name === use)?.[1])
    return { ...NO_DEVICES, chosen: { microphone: of('microphone'), speaker: of('speaker'), ring: of('ring') }, isCleaned: !('isCleaned' in kept) || kept.isCleaned !== false }
  } catch {
    return NO_DEVICES
  }
}

export function keepDevices({ chosen, isCleaned }: AudioDevices, keep: Pick<Storage, 'setItem'>): void {
  keep.setItem(KEPT, JSON.stringify({ ...chosen, isCleaned }))
}

function deviceIn(value: unknown): AudioDevice {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('label' in value)) return USUAL
  return typeof value.id === 'string' && typeof value.label === 'string' ? { id: value.id, label: value.label } : USUAL
}
