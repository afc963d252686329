/** What the pages tell of themselves to the installation: events and errors, in batches, while somebody is signed in. Nothing
 *  waits for it. What cannot be sent now waits for another try, as much as there is place for. */

import { apiPaths } from '../lib/paths'
import { authorization, type Session } from './session'

const APP = 'trunkline_pages'
/** What waits at most; further items are dropped, so that a page that fails in a loop costs no memory. */
const WAITING_MAX = 100
/** Browsers let a page that closes send 64 KiB; a batch stays well below. */
const BATCH_MAX = 50
const FLUSH_MS = 10_000
/** Silence after a refusal for good, and after an operator has switched it off. */
const PAUSE_MS = 600_000
/** Until another try, where the answer names no time. */
const RETRY_MS = 30_000
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

/** What the installation wants: nothing, or the part of the usual items, each so many ms. */
export type Told = { readonly off?: boolean; readonly samplingRate?: number; readonly flushIntervalMs?: number }

/** Sends a body with a token, or asks without one what is wanted. A number is the time in ms until another try. A request of a page that closes goes on. */
export type Ask = (session: Session, body?: string) => Promise<Told | number>

const byFetch = (app: string): Ask => async ({ token }, body) => {
  try {
    const headers = { ...authorization(token), 'Content-Type': 'application/json' }
    const path = body === undefined ? apiPaths.telemetryConfig(app) : apiPaths.telemetry()
    const response = await fetch(path, { method: body === undefined ? 'GET' : 'POST', headers, body: body ?? null, keepalive: true })
    if (response.ok) return (await response.json()) as Told
    // Another try of what breaks a rule would break it again.
    if (response.status < 500 && ![401, 408, 429].includes(response.status)) return { off: true }
    return Math.min(Number(response.headers.get('Retry-After')) * 1_000 || RETRY_MS, PAUSE_MS)
  } catch {
    return RETRY_MS
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
  private told: Told | undefined
  private readonly ask: Ask

  /** `app` is the application of whose contract the items are. */
  constructor(
    private readonly session: () => Session | undefined,
    private readonly browserSession: string,
    private readonly now: () => number = Date.now,
    ask: Ask | undefined = undefined,
    private readonly random: () => number = Math.random,
    private readonly app: string = APP,
  ) {
    this.ask = ask ?? byFetch(app)
  }

  get flushMs(): number {
    return this.told?.flushIntervalMs ?? FLUSH_MS
  }

  tell(item: Item): void {
    if (this.waiting.length < WAITING_MAX && this.wants(item)) this.waiting.push({ ...item, ts: this.now() })
  }

  /** Sends what waits, once it is known what is wanted; a page that closes cannot wait for that. Without a session it is dropped. */
  async flush(isLast = false): Promise<void> {
    const session = this.session()
    if (session === undefined) this.waiting = []
    if (session === undefined || this.waiting.length === 0 || this.now() < this.silentUntil) return
    if (this.told === undefined && !isLast) {
      const told = await this.ask(session)
      if (!this.heeds(told)) return
      this.told = told
      this.waiting = this.waiting.filter((item) => this.wants(item))
    }
    const items = this.waiting.splice(0, BATCH_MAX)
    if (items.length === 0) return
    const app = { name: this.app, sessionId: this.browserSession }
    const answer = await this.ask(session, JSON.stringify({ app, items }, wellFormed))
    if (typeof answer === 'number') this.waiting = [...items, ...this.waiting].slice(0, WAITING_MAX)
    this.heeds(answer)
  }

  /** Errors are always wanted. */
  private wants(item: Item): boolean {
    return item.level === 'error' || this.random() < (this.told?.samplingRate ?? 1)
  }

  /** Falls silent where the answer wants that. */
  private heeds(answer: Told | number): answer is Told {
    if (typeof answer !== 'number' && answer.off !== true) return true
    if (typeof answer !== 'number') {
      this.told = undefined
      this.waiting = []
    }
    this.silentUntil = this.now() + (typeof answer === 'number' ? answer : PAUSE_MS)
    return false
  }
}

/** Half a character, as a cut leaves it, is no text for the installation: it would refuse the batch. */
function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value
}

/** An error as an item: the text alone, without what somebody has typed or the token of an address. */
export function errorItem(name: string, error: unknown, page: string): Item {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { type: 'event', name, level: 'error', props: { message: message.slice(0, TEXT_MAX), page } }
}
