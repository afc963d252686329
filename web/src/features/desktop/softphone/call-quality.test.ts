import { expect, test } from 'vitest'
import { countsIn, opinion, qualityBetween, wordOf } from './call-quality'
import { keptDevices, keepDevices, missingUses, NO_DEVICES, usedFor, withLists } from './devices'
import { keptCalls, phoneName } from './kept-calls'
import { qualityItems } from './quality-items'

const COUNTS = { received: 1_000, lost: 0, jitterMs: 4, roundTripMs: 30, delayMs: 45, codec: 'opus' }

test('the opinion is that of the E-model, and falls with loss and delay', () => {
  expect(opinion(0, 0)).toBeCloseTo(4.41, 2)
  expect(opinion(100, 0)).toBeCloseTo(4.36, 1)
  expect(opinion(400, 0)).toBeLessThan(opinion(150, 0))
  for (let loss = 0; loss < 100; loss += 1) expect(opinion(100, loss + 1)).toBeLessThanOrEqual(opinion(100, loss))
  expect(opinion(10_000, 100)).toBe(1)
})

test('what counts is the time since the last look', () => {
  expect(wordOf(qualityBetween(undefined, COUNTS)!)).toBe('good')
  const lossy = qualityBetween(COUNTS, { ...COUNTS, received: 1_180, lost: 20 })
  expect([lossy?.lossPercent, wordOf(lossy!)]).toEqual([10, 'fair'])
  expect(qualityBetween(COUNTS, COUNTS)).toBeUndefined()
  // A count that begins anew, as after another way was found.
  expect(qualityBetween({ ...COUNTS, lost: 50 }, { ...COUNTS, received: 1_100, lost: 3 })?.lossPercent).toBe(0)
})

test('the report of a browser is read', () => {
  const report = [
    ['A', { type: 'codec', mimeType: 'audio/opus' }],
    ['B', { type: 'inbound-rtp', kind: 'audio', codecId: 'A', packetsReceived: 500, packetsLost: 5, jitter: 0.004, jitterBufferDelay: 2_000, jitterBufferEmittedCount: 40_000 }],
    ['C', { type: 'candidate-pair', state: 'succeeded', currentRoundTripTime: 0.02 }],
  ] as const
  expect(countsIn(report)).toEqual({ received: 500, lost: 5, jitterMs: 4, roundTripMs: 20, delayMs: 50, codec: 'opus' })
  expect(countsIn([])).toBeUndefined()
})

test('the installation is told averages and nobody’s number', () => {
  const quality = { mos: 4, jitterMs: 5, lossPercent: 1, codec: 'opus' }
  expect(qualityItems([quality, { ...quality, mos: 3, jitterMs: 8 }]).map(({ name, value, props }) => [name, value, props])).toEqual([
    ['sip_call_mos', 3.5, { codec: 'opus' }],
    ['sip_call_mos_worst', 3, { codec: 'opus' }],
    ['jitter', 6.5, { codec: 'opus' }],
    ['packet_loss', 1, { codec: 'opus' }],
  ])
  expect(qualityItems([])).toEqual([])
})

test('a device that was chosen is found again by its name, and missed where it is not there', () => {
  const kept = new Map<string, string>()
  const keep = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value), removeItem: (name: string) => void kept.delete(name) }
  const headset = { id: 'a', label: 'Headset' }
  const chosen = { ...NO_DEVICES, chosen: { ...NO_DEVICES.chosen, microphone: headset }, isCleaned: false }
  keepDevices(chosen, keep)
  expect(keptDevices(keep)).toEqual(chosen)
  kept.set('trunkline.phone.audio', '{"microphone":7,"isCleaned":"yes"}')
  expect(keptDevices(keep)).toEqual(NO_DEVICES)
  const found = (deviceId: string, label: string) => ({ kind: 'audioinput', deviceId, label }) as const
  const later = withLists(chosen, [found('default', 'Default - Headset'), found('b', 'Headset')])
  expect([usedFor('microphone', later).id, missingUses(later)]).toEqual(['b', []])
  // Without an open microphone the browser tells no names.
  expect(withLists(later, [found('b', '')]).microphones).toEqual([{ id: 'b', label: 'Headset' }])
  const without = withLists(chosen, [found('c', 'Camera')])
  expect([usedFor('microphone', without).id, missingUses(without)]).toEqual(['', ['microphone']])
  const dialog = { callId: 'c', localTag: 'l', remoteTag: 'r' }
  const name = phoneName('acme', '7101')
  const calls = keptCalls(name, keep)
  calls.write({ calls: [{ call: 'c', number: '1', dialog }], isMuted: true }, 5)
  expect(calls.read(10)).toMatchObject({ calls: [{ call: 'c', number: '1', dialog }], isMuted: true })
  // The same number of another tenant is another phone.
  expect(keptCalls(phoneName('globex', '7101'), keep).read(10).calls).toEqual([])
  for (const wrong of ['{', '{"at":5,"calls":[{"call":1}]}', '{"at":"x","calls":[]}']) {
    kept.set(name, wrong)
    expect(calls.read(10)).toMatchObject({ calls: [], isMuted: false })
  }
  calls.write({ calls: [], isMuted: false }, 10)
  expect(kept.has(name)).toBe(false)
})
