/** Tells the installation how this page is doing: what was noted, how soon it was shown, how late it answers presses, how long the APIs take.
 *  Numbers and names of ours alone; of an error its text, which telemetry cleans. Loaded behind the page itself. */

import { errorItem, tabName, Telemetry, type Item } from '../api/telemetry'
import { readNotes, type Noted } from '../lib/noted'
import { Slowest } from '../lib/slowest'
import { ownSession } from './own-session'

/** How long nothing can be pressed, from the gravest on. */
const STALLS = [
  { name: 'performance_worker_severe', fromMs: 5_000 },
  { name: 'performance_worker_major', fromMs: 1_000 },
  { name: 'performance_worker_minor', fromMs: 200 },
] as const
/** Browsers measure presses from there on. */
const PRESS_FROM_MS = 16
/** What addresses of the APIs begin with. */
const APIS = ['/pulse/api/', '/api/voice/', '/api/operations/', '/agent-setup/api/', '/workspace/', '/webrtc/', '/session', '/salesforce/']
/** Requests that last as long as somebody follows, or until there is news. */
const FOLLOWING = /\/(stream|notifications)(\/|$)/
/** Browsers by what they call themselves; those that call themselves others as well come first. */
const BROWSERS: readonly (readonly [string, RegExp])[] = [
  ['Edge', /\bEdg\/(\d+)/],
  ['Opera', /\bOPR\/(\d+)/],
  ['Firefox', /\bFirefox\/(\d+)/],
  ['Chromium', /Chrom(?:e|ium)\/(\d+)/],
  ['Safari', /\bVersion\/(\d+)[^ ]* .*Safari\//],
]

/** Begins to watch this page; `page` is the pattern of its address. */
export function beginWatch(page: () => string): void {
  watch(new Telemetry(ownSession, tabName()), page)
}

function watch(telemetry: Telemetry, page: () => string): void {
  const slowest = new Slowest()
  const tell = (item: Item): void => telemetry.tell(item)
  const flush = (isLast = false): Promise<void> => {
    for (const { name, where, ms } of slowest.taken()) tell(slowItem(name, where, ms, page()))
    return telemetry.flush(isLast)
  }
  tell({ type: 'event', name: 'session_started', props: { page: page(), browser: browserOf(navigator.userAgent), language: document.documentElement.lang } })
  readNotes((noted) => tell(notedItem(noted, page())))
  // A page that nobody looks at is painted when somebody does.
  if (document.visibilityState === 'visible') {
    observe('paint', ({ name, startTime }) => {
      if (name === 'first-contentful-paint') tell({ type: 'metric', name: 'page_shown_seconds', value: startTime / 1_000, props: { page: page() } })
    })
  }
  observe('longtask', ({ duration }) => {
    const item = stallItem(duration, page())
    if (item !== undefined) tell(item)
  })
  observe('event', (entry) => {
    if (partOf(entry, 'interactionId') > 0) slowest.note('interaction_delay_ms', page(), entry.duration)
  })
  observe('resource', (entry) => {
    const api = apiOf(entry.name)
    if (api === undefined) return
    slowest.note('request_seconds', api, entry.duration)
    const status = partOf(entry, 'responseStatus')
    if (status >= 500) slowest.note(`error_request_${status}`, api, entry.duration)
  })
  // The last chances of a page that closes.
  addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void flush(true)
  })
  addEventListener('pagehide', ({ persisted }) => {
    if (!persisted) tell({ type: 'event', name: 'session_ended', value: Math.round(performance.now() / 1_000), props: { page: page() } })
    void flush(true)
  })
  const later = (): void => {
    setTimeout(() => void flush().finally(later), telemetry.flushMs)
  }
  later()
}

/** Sees what the browser measures of that type, what it has measured before included; nothing where it does not. */
function observe(type: string, see: (entry: PerformanceEntry) => void): void {
  if (!PerformanceObserver.supportedEntryTypes.includes(type)) return
  const options = { type, buffered: true, durationThreshold: PRESS_FROM_MS }
  new PerformanceObserver((list) => list.getEntries().forEach(see)).observe(options)
}

/** A number of an entry that not every browser has; 0 without it. */
function partOf(entry: PerformanceEntry, name: 'interactionId' | 'responseStatus'): number {
  const value: unknown = Object(entry)[name]
  return typeof value === 'number' ? value : 0
}

export function notedItem(noted: Noted, page: string): Item {
  switch (noted.kind) {
    case 'fault':
      return errorItem(noted.name, noted.error, page)
    case 'opened':
      return { type: 'event', name: 'page_opened', props: { page: noted.page } }
    case 'lost':
      return { type: 'event', name: 'connection_lost', level: 'warn', props: { page, where: noted.where } }
  }
}

/** A stall that people notice. */
export function stallItem(ms: number, page: string): Item | undefined {
  const stall = STALLS.find(({ fromMs }) => ms >= fromMs)
  return stall === undefined ? undefined : { type: 'event', name: stall.name, level: 'warn', value: Math.round(ms), props: { page } }
}

/** What was slowest: a press where the page is, a request by its API; a request that failed is an event. */
export function slowItem(name: string, where: string, ms: number, page: string): Item {
  if (name === 'interaction_delay_ms') return { type: 'metric', name, value: Math.round(ms), props: { page: where } }
  if (name === 'request_seconds') return { type: 'metric', name, value: Math.round(ms) / 1_000, props: { page, where } }
  return { type: 'event', name: 'error_request', level: 'warn', props: { page, where, status: Number(name.replace(/\D/g, '')) } }
}

/** The API that an address asks, without what else is in it: that may name somebody. Nothing for what is no question. */
export function apiOf(address: string): string | undefined {
  const { pathname } = new URL(address)
  if (FOLLOWING.test(pathname)) return undefined
  const api = APIS.find((begin) => pathname.startsWith(begin))
  return api?.replace(/\/$/, '')
}

/** Which browser it is, and its version as far as that matters. */
export function browserOf(userAgent: string): string {
  for (const [name, called] of BROWSERS) {
    const version = called.exec(userAgent)?.[1]
    if (version !== undefined) return `${name} ${version}`
  }
  return 'other'
}
