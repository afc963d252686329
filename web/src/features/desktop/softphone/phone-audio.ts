/** Microphone, loudspeaker and bell of the page. */

import type { AudioDevice } from './devices'

export type PhoneAudio = {
  /** Asks for the microphone; rejects as the browser does, by the error's name. */
  readonly microphone: (device: AudioDevice, isCleaned: boolean) => Promise<MediaStream>
  readonly devices: () => Promise<readonly MediaDeviceInfo[]>
  readonly onDevices: (changed: () => void) => () => void
  /** Lets a call be heard until the answer is called. */
  readonly play: (audio: MediaStream) => () => void
  readonly speakBy: (device: AudioDevice) => void
  /** Rings until the answer is called. */
  readonly ring: (device: AudioDevice) => () => void
  /** Measures a microphone until the answer is called. */
  readonly measure: (audio: MediaStream) => () => void
  /** How loud the measured microphone is now, 0 to 1. */
  readonly level: () => number
}

/** Two tones, one second of four, as phones ring. */
const RING_HZ = [440, 480]
const RING_ON_S = 1
const RING_EACH_MS = 4_000
const RING_LOUDNESS = 0.12
/** Speech has about a tenth of the greatest amplitude. */
const LEVEL_GAIN = 5

type Playing = { readonly element: HTMLAudioElement }

export function pageAudio(): PhoneAudio {
  const playing = new Set<Playing>()
  let speaker: AudioDevice = { id: '', label: '' }
  let context: AudioContext | undefined
  let analyser: AnalyserNode | undefined
  const contextNow = (): AudioContext => {
    if (context === undefined) {
      const made = new AudioContext()
      context = made
      // A browser lets no page sound before somebody has pressed something in it: the bell that rings then is heard from that press on.
      const resume = (): void => void made.resume().catch(() => undefined)
      for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, () => (made.state === 'suspended' ? resume() : undefined), { capture: true, passive: true })
    }
    void context.resume().catch(() => undefined)
    return context
  }
  return {
    microphone: ({ id }, isCleaned) => {
      const cleaning = { echoCancellation: isCleaned, noiseSuppression: isCleaned, autoGainControl: isCleaned }
      return navigator.mediaDevices.getUserMedia({ audio: { ...cleaning, ...(id === '' ? {} : { deviceId: { exact: id } }) }, video: false })
    },
    devices: () => navigator.mediaDevices.enumerateDevices(),
    onDevices: (changed) => {
      navigator.mediaDevices.addEventListener('devicechange', changed)
      return () => navigator.mediaDevices.removeEventListener('devicechange', changed)
    },
    play: (audio) => {
      const one = { element: new Audio() }
      one.element.srcObject = audio
      playing.add(one)
      void sound(one.element, speaker)
      return () => {
        playing.delete(one)
        one.element.pause()
        one.element.srcObject = null
      }
    },
    speakBy: (device) => {
      speaker = device
      for (const { element } of playing) void sound(element, device)
    },
    ring: (device) => {
      const at = contextNow()
      const out = at.createMediaStreamDestination()
      const gain = at.createGain()
      gain.gain.value = 0
      gain.connect(out)
      const tones = RING_HZ.map((frequency) => new OscillatorNode(at, { frequency }))
      for (const tone of tones) {
        tone.connect(gain)
        tone.start()
      }
      const stroke = (): void => {
        gain.gain.setTargetAtTime(RING_LOUDNESS, at.currentTime, 0.02)
        gain.gain.setTargetAtTime(0, at.currentTime + RING_ON_S, 0.05)
      }
      stroke()
      const strokes = setInterval(stroke, RING_EACH_MS)
      const bell = new Audio()
      bell.srcObject = out.stream
      void sound(bell, device)
      return () => {
        clearInterval(strokes)
        for (const tone of tones) tone.stop()
        bell.pause()
        bell.srcObject = null
      }
    },
    measure: (audio) => {
      const at = contextNow()
      const source = at.createMediaStreamSource(audio)
      const node = at.createAnalyser()
      node.fftSize = 512
      source.connect(node)
      analyser = node
      return () => {
        source.disconnect()
        if (analyser === node) analyser = undefined
      }
    },
    level: () => {
      if (analyser === undefined) return 0
      const samples = new Float32Array(analyser.fftSize)
      analyser.getFloatTimeDomainData(samples)
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
      return Math.min(1, Math.sqrt(power) * LEVEL_GAIN)
    },
  }
}

/** Plays by that device, or where it is gone, by the usual one; a browser that lets no page begin by itself, with the next press. */
async function sound(element: HTMLAudioElement, { id }: AudioDevice): Promise<void> {
  if ('setSinkId' in element) await element.setSinkId(id).catch(() => element.setSinkId('').catch(() => undefined))
  try {
    await element.play()
  } catch {
    const again = (): void => {
      if (element.srcObject !== null) void element.play().catch(() => undefined)
    }
    for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, again, { once: true })
  }
}
