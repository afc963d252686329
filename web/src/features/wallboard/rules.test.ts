import { describe, expect, test } from 'vitest'
import { fit } from './density'
import type { Minute, Numbers, Queue } from './model'
import { noNumbers } from './numbers.fixture'
import { tilesFor } from './queues'
import { alertsOf, bandCounts, serviceLevelLevel, shortName, totalWaitLevel, waitLevel, type Level } from './rules'
import { sparkline } from './sparkline'

const numbers = (more: Partial<Numbers>): Numbers => ({ ...noNumbers, ...more })
const queue = (id: string, more: Partial<Queue> = {}): Queue => ({ ...numbers({}), id, name: id, history: [], ...more })

describe('levels', () => {
  test.each<[number | null, Level]>([[null, 'none'], [100, 'good'], [80, 'good'], [79.9, 'warning'], [70, 'warning'], [69.9, 'bad'], [0, 'bad']])('a service level of %s is %s', (serviceLevel, level) => {
    expect(serviceLevelLevel(numbers({ serviceLevel }))).toBe(level)
  })

  test.each<[number | null, Level]>([[null, 'none'], [100_000, 'good'], [81_000, 'good'], [80_000, 'warning'], [41_000, 'warning'], [40_000, 'bad']])('a wait since %s at 100,000 ms is %s', (longestWaitSince, level) => {
    expect(waitLevel(numbers({ longestWaitSince }), 100_000)).toBe(level)
  })

  test('queues with different thresholds are judged each by its own', () => {
    const queues = [queue('a', { longestWaitSince: 70_000, serviceLevelThreshold: 60 }), queue('b', { longestWaitSince: 70_000, serviceLevelThreshold: 20 })]
    expect(totalWaitLevel(numbers({ longestWaitSince: 70_000, serviceLevelThreshold: null }), queues, 100_000)).toBe('warning')
    expect(totalWaitLevel(numbers({ longestWaitSince: 70_000, serviceLevelThreshold: 90 }), queues, 100_000)).toBe('good')
  })

  test('only what is bad is said aloud', () => {
    const alerts = alertsOf([queue('a', { longestWaitSince: 0 }), queue('b', { serviceLevel: 10 }), queue('c', { serviceLevel: 75, longestWaitSince: 70_000 })], 100_000)
    expect(alerts.map((alert) => `${alert.queue} ${alert.what}`)).toEqual(['a wait', 'b serviceLevel'])
  })
})

test('every state is counted in one band', () => {
  const states = { ready: 1, notReady: 2, afterCallWork: 3, ringing: 4, dialing: 5, onHold: 6, inbound: 7, outbound: 8, internal: 9, consult: 10, unknown: 11, loggedOut: 12 }
  expect(bandCounts(states)).toEqual({ ready: 1, notReady: 2, afterCallWork: 3, ringing: 9, talking: 40, unknown: 11, loggedOut: 12 })
})

test.each([['Ada Lovelace', 'Ada L.'], ['Desk 4711', 'D. 4711'], ['Ada King Lovelace', 'Ada L.'], ['ada', 'ada'], ['', '']])('%j is shortly %j', (name, short) => {
  expect(shortName(name)).toBe(short)
})

describe('the agents of a wall of 1920 × 1080', () => {
  const [width, height] = [1_890, 380]
  test.each([[3, 'card', 'all'], [40, 'card', 'all'], [60, 'row', 'all'], [200, 'chip', 'all'], [500, 'dot', 'all'], [700, 'dot', 'all']] as const)('%s agents are shown as %s, %s', (all, density, shown) => {
    const found = fit(width, height, all, all)
    expect([found.density, found.shown]).toEqual([density, shown])
    expect(found.columns * found.rows).toBeGreaterThanOrEqual(all)
  })

  test('those who are logged out make room', () => {
    expect(fit(width, height, 1_000, 180)).toMatchObject({ density: 'chip', shown: 'loggedIn' })
  })

  test('more than fit are dots, as many as fit', () => {
    const found = fit(width, height, 5_000, 4_000)
    expect(found.density).toBe('dot')
    expect(found.columns * found.rows).toBeGreaterThan(600)
  })
})

describe('the queues of a wall', () => {
  test('four have large tiles', () => {
    expect(tilesFor([queue('a'), queue('b'), queue('c'), queue('d')])).toMatchObject({ kind: 'large', columns: 4, more: 0 })
  })
  test('of very many, those in which somebody waits stay, in their order', () => {
    const many = Array.from({ length: 40 }, (_, index) => queue(`q${index}`, { waiting: index === 39 ? 1 : 0, entered: 40 - index }))
    const tiles = tilesFor(many)
    expect([tiles.shown.length, tiles.more, tiles.shown.at(-1)?.id, tiles.shown[0]?.id]).toEqual([18, 22, 'q39', 'q0'])
  })
})

describe('the last half hour', () => {
  const minute = (entered: number, abandoned: number, waitingMax: number, index = 0): Minute => ({ from: index * 60_000, entered, answered: entered - abandoned, abandoned, waitingMax })

  test('sums and peak are those of the bars', () => {
    expect(sparkline([minute(3, 1, 2), minute(0, 0, 0, 1), minute(9, 0, 5, 2)])).toMatchObject({ entered: 12, abandoned: 1, peak: 5 })
  })
  test('nothing leaves the picture', () => {
    const drawn = sparkline([minute(80, 90, 120), minute(1, 0, 0, 1)])
    for (const bar of drawn.bars) expect([bar.y >= 0, bar.y + bar.height <= drawn.height + 1e-9, bar.x + bar.width <= drawn.width]).toEqual([true, true, true])
  })
  test('a single call is no mountain, and a quiet queue has no line', () => {
    const drawn = sparkline([minute(1, 0, 0)])
    expect(drawn.bars[0]?.height).toBeLessThan(drawn.height / 3)
    expect(drawn.line).toBe('')
  })
})
