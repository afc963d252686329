/** How well a call is heard: what the browser counts of its audio, and the opinion that the E-model makes of it (ITU-T G.107). */

/** What has been counted since the call began. Times in milliseconds. */
export type AudioCounts = {
  readonly received: number
  readonly lost: number
  readonly jitterMs: number
  readonly roundTripMs: number
  /** By the jitter buffer, on average. */
  readonly delayMs: number
  readonly codec: string
}

export type CallQuality = {
  /** 1 to 4.5. */
  readonly mos: number
  readonly jitterMs: number
  readonly lossPercent: number
  readonly codec: string
}

/** What the path takes besides what is measured: the packet that is filled, on both sides. */
const PACKETS_MS = 40
/** How much loss a codec hides that conceals it (ITU-T G.113, table I.4: G.711 with concealment). */
const ROBUSTNESS = 25.1
const BEST = 93.2

/** Opinion of a listener for a delay one way and a loss in percent. */
export function opinion(delayMs: number, lossPercent: number): number {
  const delay = 0.024 * delayMs + (delayMs > 177.3 ? 0.11 * (delayMs - 177.3) : 0)
  const loss = (95 * lossPercent) / (lossPercent + ROBUSTNESS)
  const rating = Math.max(0, Math.min(100, BEST - delay - loss))
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)
}

/** The time between two counts; undefined where nothing has come in it. */
export function qualityBetween(before: AudioCounts | undefined, now: AudioCounts): CallQuality | undefined {
  const received = now.received - (before?.received ?? 0)
  const lost = Math.max(0, now.lost - (before?.lost ?? 0))
  if (received <= 0) return undefined
  const lossPercent = (100 * lost) / (received + lost)
  const delayMs = now.roundTripMs / 2 + now.delayMs + PACKETS_MS
  return { mos: opinion(delayMs, lossPercent), jitterMs: now.jitterMs, lossPercent, codec: now.codec }
}

export type QualityWord = 'good' | 'fair' | 'poor'

/** From 3.6 on most users are satisfied, below 3.1 most are not (ITU-T G.107, annex B). */
export function wordOf({ mos }: CallQuality): QualityWord {
  if (mos >= 3.6) return 'good'
  return mos >= 3.1 ? 'fair' : 'poor'
}

/** What a report of the browser says of the audio that comes. */
export function countsIn(report: Iterable<readonly [string, unknown]>): AudioCounts | undefined {
  const all = new Map(report)
  const ofType = (type: string): unknown => [...all.values()].find((one) => textIn(one, 'type') === type && (textIn(one, 'kind') || 'audio') === 'audio')
  const inbound = ofType('inbound-rtp')
  if (inbound === undefined) return undefined
  const pair = [...all.values()].find((one) => textIn(one, 'type') === 'candidate-pair' && textIn(one, 'state') === 'succeeded')
  const roundTrip = numberIn(ofType('remote-inbound-rtp'), 'roundTripTime') || numberIn(pair, 'currentRoundTripTime')
  const emitted = numberIn(inbound, 'jitterBufferEmittedCount')
  return {
    received: numberIn(inbound, 'packetsReceived'),
    lost: numberIn(inbound, 'packetsLost'),
    jitterMs: numberIn(inbound, 'jitter') * 1_000,
    roundTripMs: roundTrip * 1_000,
    delayMs: emitted > 0 ? (numberIn(inbound, 'jitterBufferDelay') / emitted) * 1_000 : 0,
    codec: textIn(all.get(textIn(inbound, 'codecId')), 'mimeType').replace('audio/', ''),
  }
}

function valueIn(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Object.entries(of).find(([key]) => key === name)?.[1] : undefined
}

function numberIn(of: unknown, name: string): number {
  const value = valueIn(of, name)
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function textIn(of: unknown, name: string): string {
  const value = valueIn(of, name)
  return typeof value === 'string' ? value : ''
}
