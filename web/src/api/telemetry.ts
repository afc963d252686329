/** What the pages tell of themselves to the installation: events and errors, in batches, while somebody is signed in. Nothing
 *  waits for it, and what cannot be sent is dropped. */

import { apiPaths } from '../lib/paths'
import { authorization, type Session } from './session'

const APP = 'trunkline_pages'
/** What waits at most; further items are dropped, so that a page that fails in a loop costs no memory. */
const WAITING_MAX = 100
/** Browsers let a page that closes send 64 KiB; a batch stays well below. */
const BATCH_MAX = 50
const FLUSH_MS = 10_000
/** Silence after a refusal, and after an operator has switched it off. */
const PAUSE_MS = 600_000
const TEXT_MAX = 300

type Plain = string | number | boolean

export type Item = {
  readonly type: 'event' | 'metric' | 'log'
  readonly name: string
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
  readonly value?: number
  readonly props?: Readonly<Record<string, Plain>>
}

type Sent = Item & { readonly ts: number }

/** Sends a body with a token; says whether more is wanted. A request of a page that closes goes on. */
export type Send = (session: Session, body: string) => Promise<'taken' | 'unwanted'>

const byFetch: Send = async ({ token }, body) => {
  try {
    const headers = { ...authorization(token), 'Content-Type': 'application/json' }
    const response = await fetch(apiPaths.telemetry(), { method: 'POST', headers, body, keepalive: true })
    const told: unknown = response.status === 202 ? await response.json() : undefined
    return typeof told !== 'object' || told === null || 'off' in told ? 'unwanted' : 'taken'
  } catch {
    return 'unwanted'
  }
}

/** A name for this tab that nobody else has. */
export function tabName(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, '0')).join('')
}

/** The items of one tab. */
export class Telemetry {
  private waiting: Sent[] = []
  private silentUntil = 0

  constructor(
    private readonly session: () => Session | undefined,
    private readonly browserSession: string,
    private readonly now: () => number = Date.now,
    private readonly send: Send = byFetch,
  ) {}

  tell(item: Item): void {
    if (this.waiting.length < WAITING_MAX) this.waiting.push({ ...item, ts: this.now() })
  }

  /** Sends what waits. Without a session, or after a refusal, it is dropped. */
  async flush(): Promise<void> {
    const items = this.waiting.splice(0, BATCH_MAX)
    const session = this.session()
    if (items.length === 0 || session === undefined || this.now() < this.silentUntil) return
    const app = { name: APP, sessionId: this.browserSession }
    const outcome = await this.send(session, JSON.stringify({ app, items }))
    if (outcome === 'unwanted') this.silentUntil = this.now() + PAUSE_MS
  }
}

/** An error as an item: the text alone, without what somebody has typed or the token of an address. */
export function errorItem(name: string, error: unknown, page: string): Item {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { type: 'event', name, level: 'error', props: { message: message.slice(0, TEXT_MAX), page } }
}

/** Tells of errors nobody caught, of the time until the page was shown, and of each page that is opened from then on. */
export function watchPage(telemetry: Telemetry, page: () => string): void {
  addEventListener('error', (event) => telemetry.tell(errorItem('error_script', event.error ?? event.message, page())))
  addEventListener('unhandledrejection', (event) => telemetry.tell(errorItem('error_promise', event.reason, page())))
  // The last chance of a page that closes.
  addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void telemetry.flush()
  })
  telemetry.tell({ type: 'metric', name: 'page_shown_seconds', value: performance.now() / 1_000, props: { page: page() } })
  setInterval(() => void telemetry.flush(), FLUSH_MS)
}
