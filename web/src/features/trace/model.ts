/** The trace of one call as the server tells it. Times are milliseconds since the Unix epoch. */

export type Severity = 'fault' | 'warning' | 'info'

export type CallHead = {
  readonly connId: string
  readonly uuid: string
  readonly beganAt: number
  readonly endedAt: number | null
  readonly from: string | null
  readonly to: string | null
  readonly answeredBy: string | null
  readonly lastEvent: string | null
}

export type CallList = { readonly tenant: string; readonly calls: readonly CallHead[]; readonly missing?: readonly string[] }

export type Party = { readonly id: string; readonly name: string; readonly inside: boolean }

export type Message = {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly label: string
  readonly method: string
  readonly status: number | null
  readonly callId: string
  readonly transport: string | null
  readonly sdp: boolean
  /** Sent again, because it or its answer got lost. */
  readonly repeat: boolean
  readonly text: string
}

export type CallEvent = { readonly at: number; readonly name: string } & Readonly<Record<string, unknown>>

export type Flow = {
  readonly packets: number
  readonly lost: number | null
  readonly lossPercent: number | null
  readonly jitterMs: number | null
  readonly mos: number | null
}

export type Leg = {
  readonly leg: number
  readonly party: string
  readonly caller: boolean
  readonly node: string
  /** What the party's SDP says. */
  readonly offered: string | null
  /** Where its packets really come from. */
  readonly learned: string | null
  readonly signalling: string | null
  readonly local: string | null
  readonly codec: string | null
  readonly direction: string | null
  readonly agreedAt: number | null
  readonly firstPacketAt: number | null
  readonly fromPhone: Flow
  readonly toPhone: Flow
  readonly roundTripMs: number | null
  readonly strangers: number
  readonly invalid: number
  readonly measured: boolean
  readonly verdict: string
  readonly severity: Severity
}

export type Step = { readonly at: number; readonly step: string; readonly name?: string | null; readonly text?: string | null; readonly line?: number | null }

export type Candidate = {
  readonly agent: string
  readonly idleMs?: number | null
  readonly passedOver?: string | null
  readonly text: string
}

export type Decision = {
  readonly at: number
  readonly step: string
  readonly queue?: string | null
  readonly rule?: string | null
  readonly text: string
  readonly candidates?: readonly Candidate[] | null
  /** Candidates beyond those listed. */
  readonly more?: number | null
  readonly waiting?: number | null
}

export type Request = {
  readonly at: number
  readonly name: string
  readonly requester: string
  readonly outcome?: string | null
}

export type Trace = {
  readonly call: Omit<CallHead, 'answeredBy' | 'lastEvent' | 'beganAt'> & {
    /** None for a dialog that never became a call. */
    readonly beganAt: number | null
    readonly printed: string
    readonly tenant: string
    readonly trunk?: string | null
    readonly answeredAt?: number | null
    readonly callIds: readonly string[]
  }
  readonly verdict: { readonly summary: readonly string[]; readonly findings: readonly { readonly severity: Severity; readonly text: string }[] }
  readonly ladder: { readonly parties: readonly Party[]; readonly messages: readonly Message[] }
  readonly events: readonly CallEvent[]
  readonly media: readonly Leg[]
  readonly application?: { readonly name: string; readonly steps: readonly Step[] } | null
  readonly routing: readonly Decision[]
  readonly requests?: readonly Request[]
  readonly notes?: readonly { readonly at: number; readonly node: string; readonly text: string }[]
  readonly missing?: readonly string[]
  /** Whether phone numbers are masked for this token. */
  readonly masked: boolean
}

/** From when on times are counted: the call's beginning, or the first message where none ever began. */
export function zeroOf(trace: Trace): number {
  return trace.call.beganAt ?? trace.ladder.messages[0]?.at ?? 0
}

/** How long after its end a call's last parts may still come in. */
const LATE_MS = 15_000
const POLL_MS = 2_000

/** When to ask again for a trace; never once the call is over and everything has come in. */
export function nextLook(trace: Trace, now: number): number | undefined {
  const { beganAt } = trace.call
  // A dialog that never became a call ends with its last message.
  const endedAt = beganAt === null ? (trace.ladder.messages.at(-1)?.at ?? 0) : trace.call.endedAt
  return endedAt === null || now - endedAt < LATE_MS ? POLL_MS : undefined
}

/** An event's own fields in words, without those that every line shows. */
export function fieldsOf(event: CallEvent): string {
  return Object.entries(event)
    .filter(([name, value]) => name !== 'at' && name !== 'name' && value !== null)
    .map(([name, value]) => `${name} ${plain(value)}`)
    .join(' · ')
}

function plain(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map((part) => (Array.isArray(part) ? part.map(plain).join('=') : plain(part))).join(', ')
  return JSON.stringify(value)
}

export type MosWord = 'good' | 'fair' | 'poor'

/** ITU-T G.107's bounds of user satisfaction, in three words: above 4.0 satisfied, below 3.6 many are not. */
export function mosWord(mos: number): MosWord {
  if (mos >= 4) return 'good'
  return mos >= 3.6 ? 'fair' : 'poor'
}
