// What a page's phone hears, by its connections: the page itself tells nobody.

import { writeFileSync } from 'node:fs'
import { until } from './checks.mjs'

const RATE = 8_000
/** The least power of a tone that is heard. Of 6,000 it has some 18 million; what mixing and companding add is far below. */
const HEARD_POWER = 2e6
/** How much is listened to at a time, and for how long at most until the tones are right. */
const LISTENED_SECONDS = 3
const HEARD_WITHIN_MS = 90_000

/** Keeps the connections that pages of the context make from now on. The browser's processing of what it hears is for rooms with people, not for tones: it is off, as a person can have it. */
export async function recordConnections(context) {
  await context.addInitScript(() => {
    const own = window.RTCPeerConnection
    window.connections = []
    window.RTCPeerConnection = class extends own {
      constructor(...given) {
        super(...given)
        window.connections.push(this)
      }
    }
    const kept = localStorage.getItem('trunkline.phone.audio')
    if (kept === null) localStorage.setItem('trunkline.phone.audio', JSON.stringify({ isCleaned: false }))
  })
}

/** The samples that the newest call of the page hears in some seconds. */
export async function heardBy(page, seconds) {
  await until('the audio has its way', () => page.evaluate(() => ['connected', 'completed'].includes(window.connections.at(-1)?.iceConnectionState)), 120_000)
  return page.evaluate(hear, { seconds, rate: RATE })
}

/** The same as a WAV. */
export async function hearsInto(page, seconds, file) {
  writeFileSync(file, wavOf(await heardBy(page, seconds), RATE))
}

/** The power of a tone in samples, as the tests of the audio have it: a tone of 6,000 has some 18 million. */
export function toneIn(samples, hz, rate = RATE) {
  const [sin, cos] = samples.reduce(([s, c], sample, n) => [s + sample * Math.sin((2 * Math.PI * hz * n) / rate), c + sample * Math.cos((2 * Math.PI * hz * n) / rate)], [0, 0])
  return (2 * (sin * sin + cos * cos)) / (samples.length * samples.length)
}

/** Which of the tones are in the last two seconds. By tenths of a second: where 20 ms are missing a tone goes on in another phase. */
export function tonesIn(samples, tones, rate = RATE) {
  const [end, tenth] = [samples.slice(-2 * rate), rate / 10]
  const pieces = Array.from({ length: Math.floor(end.length / tenth) }, (_, n) => end.slice(n * tenth, (n + 1) * tenth))
  const power = (hz) => pieces.reduce((sum, piece) => sum + toneIn(piece, hz, rate), 0) / Math.max(pieces.length, 1)
  return tones.filter((hz) => power(hz) > HEARD_POWER)
}

/** Waits until the newest call of the page hears these of the tones, and no others: a step that is wrong does not become right by waiting. */
export async function comesToHear(page, wanted, tones, words) {
  let last = []
  const isDue = async () => {
    last = tonesIn(await heardBy(page, LISTENED_SECONDS), tones)
    return last.join() === wanted.join()
  }
  await until(words, isDue, HEARD_WITHIN_MS).catch((error) => {
    throw new Error(`${words}: ${last.join(', ') || 'no tone'} instead of ${wanted.join(', ')} (${error.message})`)
  })
}

/** Runs in the page. */
async function hear({ seconds, rate }) {
  const receiver = window.connections.at(-1).getReceivers()[0]
  const stream = new MediaStream([receiver.track])
  const context = new AudioContext({ sampleRate: rate })
  await context.resume()
  const source = context.createMediaStreamSource(stream)
  const tap = context.createScriptProcessor(1024, 1, 1)
  const samples = []
  source.connect(tap)
  tap.connect(context.destination)
  await new Promise((resolve) => {
    tap.onaudioprocess = ({ inputBuffer }) => {
      samples.push(...inputBuffer.getChannelData(0))
      if (samples.length >= seconds * rate) resolve()
    }
  })
  await context.close()
  return samples.map((sample) => Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))))
}

export function wavOf(samples, rate) {
  const data = Buffer.from(Int16Array.from(samples).buffer)
  const head = Buffer.alloc(44)
  head.write('RIFF')
  head.writeUInt32LE(36 + data.length, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE(rate * 2, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(data.length, 40)
  return Buffer.concat([head, data])
}
