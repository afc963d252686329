import { expect, test } from 'vitest'
import { apiOf, browserOf, notedItem, slowItem, stallItem } from './page-watch'

test('of an address only the API is told, and nothing of what is followed', () => {
  const told = (path: string): string | undefined => apiOf(`https://desk.example${path}`)
  expect(told('/agent-setup/api/v1/acme/objects/person/ann%40desk.example?q=ann')).toBe('/agent-setup/api')
  expect(told('/api/operations/v1/acme/traces/00AB')).toBe('/api/operations')
  expect(told('/session?by=page')).toBe('/session')
  for (const other of ['/pulse/api/v1/acme/wallboard/stream', '/workspace/v3/notifications/connect', '/telemetry/v1/traces', '/assets/index-1.js', '/']) {
    expect(told(other)).toBeUndefined()
  }
})

test('a stall is as grave as it is long', () => {
  const named = [199, 200, 999, 1_000, 5_000].map((ms) => stallItem(ms, '/')?.name)
  expect(named).toEqual([undefined, 'performance_worker_minor', 'performance_worker_minor', 'performance_worker_major', 'performance_worker_severe'])
  expect(stallItem(1_234.5, '/trace')).toEqual({ type: 'event', name: 'performance_worker_major', level: 'warn', value: 1_235, props: { page: '/trace' } })
})

test('what was slowest becomes a metric in its unit, and a failed request an event', () => {
  expect(slowItem('interaction_delay_ms', '/desktop', 312, '/')).toEqual({ type: 'metric', name: 'interaction_delay_ms', value: 312, props: { page: '/desktop' } })
  expect(slowItem('request_seconds', '/pulse/api', 1_250, '/')).toEqual({ type: 'metric', name: 'request_seconds', value: 1.25, props: { page: '/', where: '/pulse/api' } })
  expect(slowItem('error_request_503', '/workspace', 9, '/desktop')).toEqual({
    type: 'event',
    name: 'error_request',
    level: 'warn',
    props: { page: '/desktop', where: '/workspace', status: 503 },
  })
})

test('what was noted becomes an item', () => {
  expect(notedItem({ kind: 'opened', page: '/trace' }, '/')).toEqual({ type: 'event', name: 'page_opened', props: { page: '/trace' } })
  expect(notedItem({ kind: 'lost', where: 'stream' }, '/')).toMatchObject({ name: 'connection_lost', props: { where: 'stream' } })
  expect(notedItem({ kind: 'fault', name: 'error_promise', error: new TypeError('x') }, '/')).toMatchObject({ name: 'error_promise', level: 'error', props: { message: 'TypeError: x' } })
})

test('a browser is known by its name and its main version alone', () => {
  const linux = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'
  expect(browserOf(`${linux} Chrome/141.0.7390.37 Safari/537.36`)).toBe('Chromium 141')
  expect(browserOf(`${linux} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.3537.57`)).toBe('Edge 141')
  expect(browserOf('Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0')).toBe('Firefox 143')
  expect(browserOf('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15')).toBe('Safari 18')
  expect(browserOf('curl/8')).toBe('other')
})
