import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { LANES, partiesFor } from './layout'
import { countOf, isCounted, type Connection } from './model'
import { linesFor, type Edge } from './routes'

const edges = ['connections.tsv', 'own-connections.tsv'].flatMap((name): Edge[] => {
  const [head = '', ...lines] = readFileSync(new URL(`../../../../data/${name}`, import.meta.url), 'utf8').trim().split('\n')
  const keys = head.split('\t')
  return lines.map((line) => {
    const cells = line.split('\t')
    const cell = (key: string): string => cells[keys.indexOf(key)] ?? ''
    return { id: cell('id'), from: cell('from'), to: cell('to') }
  })
})
const parties = partiesFor(edges.flatMap((edge) => [edge.from, edge.to]))

/** The corners of a line of straight parts: every point that its path names. */
function corners(path: string): readonly (readonly [number, number])[] {
  const points: [number, number][] = []
  let [x, y] = [0, 0]
  for (const [, kind = '', rest = ''] of path.matchAll(/([MHVQ])([^MHVQ]*)/g)) {
    const numbers = rest.trim().split(/\s+/).map(Number)
    if (kind === 'H') x = numbers[0] ?? x
    else if (kind === 'V') y = numbers[0] ?? y
    else [x, y] = [numbers.at(-2) ?? x, numbers.at(-1) ?? y]
    points.push([x, y])
  }
  return points
}

test.each(LANES.map((lane) => [lane.from, lane.to] as const))('the line from %s to %s crosses no box', (from, to) => {
  const edge = edges.find((one) => one.from === from && one.to === to)
  const line = linesFor(edges, parties, LANES).find((one) => one.id === edge?.id)
  const points = corners(line?.path ?? '')
  expect(points.length).toBeGreaterThan(5)
  const crossed = parties.filter((party) => {
    if (party.kind !== 'role' || party.name === from || party.name === to) return false
    return points.slice(1).some(([x2, y2], index) => {
      const [x1, y1] = points[index] ?? [x2, y2]
      const beside = Math.max(x1, x2) < party.x || Math.min(x1, x2) > party.x + party.width
      const above = Math.max(y1, y2) < party.y || Math.min(y1, y2) > party.y + party.height
      return !beside && !above
    })
  })
  expect(crossed.map((party) => party.name)).toEqual([])
})

describe('what is counted', () => {
  const row = (more: Partial<Connection>): Connection => ({
    id: 'x', from: 'a', to: 'b', protocol: '', port: '', carries: '', note: '', own: false, coverage: 'not-yet', proof: null, state: 'absent', open: 0, attempts: 0, requests: 0, bytesIn: 0, bytesOut: 0, errors: 0,
    lastUse: null, peers: [], why: [], sameAs: [], ...more,
  })
  test('connections of the drawing and our own are counted apart', () => {
    expect(countOf([row({}), row({ own: true }), row({}), row({ state: 'open' })], 'absent')).toEqual({ drawn: 2, own: 1 })
  })
  test('nothing is counted where there is no socket', () => {
    expect([row({}), row({ state: 'embedded' }), row({ state: 'unused' }), row({ state: 'open' })].map(isCounted)).toEqual([false, false, true, true])
  })
})
