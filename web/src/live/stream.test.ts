import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { backOffMs } from './back-off'
import type { Failure } from '../api/errors'
import { openStream, type Connection, type Stream, type StreamEvent } from './stream'

type Request = { readonly headers: Record<string, string>; readonly send: (text: string) => void; readonly end: () => void }

/** A server whose connections the test holds in its hand. */
function server(status = 200): { readonly requests: Request[]; readonly fetch: typeof fetch } {
  const requests: Request[] = []
  const answer = (_: unknown, init?: RequestInit): Promise<Response> => {
    if (status !== 200) return Promise.resolve(new Response(JSON.stringify({ detail: 'the token has expired' }), { status }))
    const pipe = new TransformStream<Uint8Array, Uint8Array>()
    const writer = pipe.writable.getWriter()
    writer.closed.catch(() => undefined)
    init?.signal?.addEventListener('abort', () => void writer.abort(new Error('aborted')).catch(() => undefined))
    requests.push({
      headers: init?.headers as Record<string, string>,
      send: (text) => void writer.write(new TextEncoder().encode(text)).catch(() => undefined),
      end: () => void writer.close().catch(() => undefined),
    })
    return Promise.resolve(new Response(pipe.readable))
  }
  return { requests, fetch: answer as typeof fetch }
}

let stream: Stream | undefined
const events: StreamEvent[] = []
const connections: Connection[] = []
const kinds = (): readonly string[] => connections.map((connection) => connection.kind)

/** Takes every event but one that the page does not understand. */
function take(event: StreamEvent): Failure | undefined {
  if (event.event === 'riddle') return { kind: 'not-understood', detail: '/a must be number' }
  events.push(event)
  return undefined
}

function open(to: { readonly fetch: typeof fetch }): void {
  vi.stubGlobal('fetch', to.fetch)
  stream = openStream({ path: '/stream', token: 't', onEvent: take, onConnection: (connection) => connections.push(connection) })
}

beforeEach(() => {
  vi.useFakeTimers()
  events.length = 0
  connections.length = 0
})
afterEach(() => {
  stream?.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the stream', () => {
  test('events come whole, however they are cut on the way', async () => {
    const to = server()
    open(to)
    await vi.advanceTimersByTimeAsync(0)
    const text = 'id: 7\nevent: snapshot\ndata: {"a":1}\n\nevent: change\ndata: {"name":"Zoë"}\n\n'
    for (const piece of text.match(/[^]{1,5}/gu) ?? []) to.requests[0]?.send(piece)
    await vi.advanceTimersByTimeAsync(0)
    expect(events).toEqual([{ event: 'snapshot', data: '{"a":1}' }, { event: 'change', data: '{"name":"Zoë"}' }])
    expect(to.requests[0]?.headers['Authorization']).toBe('Bearer t')
    expect(kinds()).toEqual(['connecting', 'live'])
  })

  test('after an event that is not understood it begins anew, and says so', async () => {
    const to = server()
    open(to)
    await vi.advanceTimersByTimeAsync(0)
    to.requests[0]?.send('id: 7\nevent: snapshot\ndata: {}\n\nid: 8\nevent: riddle\ndata: {}\n\nid: 9\nevent: change\ndata: {}\n\n')
    await vi.advanceTimersByTimeAsync(0)
    expect(events.map((event) => event.event)).toEqual(['snapshot'])
    expect(connections.at(-1)).toMatchObject({ kind: 'lost', failure: { kind: 'not-understood' } })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(to.requests.length).toBeGreaterThan(1)
    expect(to.requests[1]?.headers['Last-Event-ID']).toBeUndefined()
  })

  test('after a break it comes back and says where it was', async () => {
    const to = server()
    open(to)
    await vi.advanceTimersByTimeAsync(0)
    to.requests[0]?.send('id: 41\nevent: change\ndata: {}\n\n')
    to.requests[0]?.end()
    await vi.advanceTimersByTimeAsync(10)
    expect(kinds()).toEqual(['connecting', 'live', 'lost'])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(to.requests).toHaveLength(2)
    expect(to.requests[1]?.headers['Last-Event-ID']).toBe('41')
    expect(kinds().at(-1)).toBe('live')
  })

  test('silence is a lost connection', async () => {
    const to = server()
    open(to)
    await vi.advanceTimersByTimeAsync(0)
    to.requests[0]?.send('event: reached\ndata: {"at":1}\n\n')
    await vi.advanceTimersByTimeAsync(11_000)
    expect(kinds()).toEqual(['connecting', 'live'])
    await vi.advanceTimersByTimeAsync(1_500)
    expect(kinds()).toContain('lost')
  })

  test('somebody who does not want to wait need not', async () => {
    const to = server(503)
    open(to)
    await vi.advanceTimersByTimeAsync(30_000)
    const before = connections.length
    stream?.retry()
    await vi.advanceTimersByTimeAsync(0)
    expect(connections.length).toBe(before + 1)
  })

  test.each([[401, 'refused-token'], [403, 'not-allowed']])('an answer %i is final: %s', async (status, kind) => {
    open(server(status))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(connections).toEqual([{ kind: 'connecting' }, { kind: 'refused', failure: { kind, detail: 'the token has expired' } }])
  })

  test.each([[503, 'server'], [404, 'not-found']])('an answer %i is not final', async (status, kind) => {
    open(server(status))
    await vi.advanceTimersByTimeAsync(5_000)
    expect(connections.length).toBeGreaterThan(2)
    expect(connections.at(-1)).toMatchObject({ kind: 'lost', failure: { kind } })
  })

  test('what is closed stays closed', async () => {
    const to = server()
    open(to)
    await vi.advanceTimersByTimeAsync(0)
    stream?.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([to.requests.length, kinds()]).toEqual([1, ['connecting', 'live']])
  })
})

test('pauses grow to ten seconds and differ from wall to wall', () => {
  expect([0, 1, 2, 3, 4, 5, 60].map((attempt) => backOffMs(attempt, 0))).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  expect(backOffMs(3, 1)).toBe(2_000)
})
