/** What the Workspace API shows: DNs, calls, people, the configuration; read leniently, for a release may add fields and values. */

export const AGENT_STATES = ['LoggedOut', 'LoggedIn', 'Ready', 'NotReady', 'OutOfService'] as const
export type AgentState = (typeof AGENT_STATES)[number]

export const CALL_PHASES = ['Dialing', 'Ringing', 'Established', 'Held', 'Released', 'Completed'] as const
export type CallPhase = (typeof CALL_PHASES)[number]

/** A pair of user data or reasons. `list` is one whose value is a list: it is shown as text and not changed. */
export type Pair = { readonly key: string; readonly value: string; readonly type: 'str' | 'int' | 'list' }

export type Dn = {
  readonly number: string
  /** Empty while nobody is logged in. */
  readonly agent: string
  readonly state: AgentState
  readonly workMode: string
  readonly reasons: readonly Pair[]
  readonly isUndisturbed: boolean
  /** Empty without a forwarding. */
  readonly forwardTo: string
  /** In milliseconds since 1970, by the browser's clock. */
  readonly since: number
  /** When after-call work ends by itself, by the browser's clock; undefined where it does not. */
  readonly until: number | undefined
}

export type Participant = { readonly number: string; readonly role: string }

export type Call = {
  readonly id: string
  /** The call for the rest of the world: whoever else is in it has another `id`, and this. */
  readonly uuid: string
  /** `Inbound`, `Outbound`, `Internal`, `Consult`, or another one. */
  readonly type: string
  readonly phase: CallPhase
  /** The number of the other side; empty where it is not known. */
  readonly number: string
  readonly dialled: string
  readonly participants: readonly Participant[]
  readonly data: readonly Pair[]
  /** What can be asked for, as the API names it in its paths. */
  readonly capabilities: readonly string[]
  /** Of a consultation: the call that it is about. */
  readonly parent: string
  /** Its id before a transfer or conference. */
  readonly previous: string
  /** Since when the phone has it, in milliseconds since 1970, by the browser's clock. */
  readonly began: number
  /** Since when it is in its phase, as far as that is told; else as `began`. */
  readonly since: number
  /** Empty where it is not recorded, or no more. */
  readonly recording: 'Recording' | 'Paused' | ''
  /** Of one that is over: how long the phone has had it, in milliseconds. */
  readonly lastedMs: number | undefined
  /** Of one that is over: whether it is known that nobody has answered it. */
  readonly isUnanswered: boolean
}

export type User = { readonly userName: string; readonly firstName: string; readonly lastName: string; readonly agent: string; readonly place: string }

/** A reason for not being ready. */
export type Reason = { readonly code: string; readonly name: string }

export type Attribute = { readonly name: string; readonly title: string; readonly values: readonly { readonly name: string; readonly title: string; readonly isDefault: boolean }[] }

/** `settings` are the tenant's, with those of the person's groups above them. */
export type Configuration = { readonly reasons: readonly Reason[]; readonly attributes: readonly Attribute[]; readonly settings: Readonly<Record<string, string>> }

/** A phone of a place; `isBrowserPhone` where the page itself is it. */
export type Device = { readonly number: string; readonly agent: string; readonly isBrowserPhone: boolean }

/** The DN and its calls while a place is active. */
export type ActiveSession = { readonly dn: Dn; readonly calls: readonly Call[]; readonly isVoiceThere: boolean }

export type SessionShown = {
  readonly user: User
  readonly configuration: Configuration | undefined
  readonly active: ActiveSession | undefined
  /** How far the begin is: `NotStarted`, `Executing`, `Failed`; empty once it is done. */
  readonly beginning: string
}

/** Lists of a message that are longer are cut: nobody reads them, and a page must not stop at them. */
const LIST_MAX = 2_000

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined
}

export function textOf(value: unknown, name: string): string {
  const found = fieldOf(value, name)
  return typeof found === 'string' ? found : typeof found === 'number' ? String(found) : ''
}

export function listOf(value: unknown, name: string): readonly unknown[] {
  const found = fieldOf(value, name)
  return Array.isArray(found) ? found.slice(0, LIST_MAX) : []
}

const oneOf = <T extends string>(names: readonly T[], value: string): T | undefined => names.find((name) => name === value)

/** Pairs, as a list or, where a server sends them so, as a plain object. */
export function pairsIn(value: unknown, name: string): readonly Pair[] {
  const found = fieldOf(value, name)
  if (!Array.isArray(found)) return typeof found === 'object' && found !== null ? Object.entries(found).flatMap(([key, inner]) => pairIn({ key, value: inner })) : []
  return found.slice(0, LIST_MAX).flatMap(pairIn)
}

function pairIn(value: unknown): readonly Pair[] {
  const [key, inner] = [textOf(value, 'key'), fieldOf(value, 'value')]
  if (key === '') return []
  if (typeof inner === 'string') return [{ key, value: inner, type: 'str' }]
  if (typeof inner === 'number') return [{ key, value: String(inner), type: 'int' }]
  return [{ key, value: pairsIn({ inner }, 'inner').map((pair) => `${pair.key} ${pair.value}`).join(', '), type: 'list' }]
}

/** `at` is the moment of the message, `ahead` how far the server's clock is before the browser's: what is later even so cannot be. */
export function dnIn(value: unknown, at: number, ahead = 0): Dn | undefined {
  const [number, state] = [textOf(value, 'number'), oneOf(AGENT_STATES, textOf(value, 'agentState'))]
  if (number === '' || state === undefined) return undefined
  const told = Number(textOf(value, 'timestamp'))
  const since = told > 0 ? Math.min(told - ahead, at) : at
  const end = Number(textOf(value, 'wrapUpUntil'))
  return {
    number,
    agent: textOf(value, 'agentId'),
    state,
    workMode: textOf(value, 'agentWorkMode'),
    reasons: pairsIn(value, 'reasons'),
    isUndisturbed: fieldOf(value, 'dnd') === true,
    forwardTo: textOf(value, 'forwardTo'),
    since,
    // Where it begins later than can be, how long it lasts is right all the same.
    until: end > 0 ? since + end - (told > 0 ? told : at + ahead) : undefined,
  }
}

/** As with a DN. */
export function callIn(value: unknown, at: number, ahead = 0): Call | undefined {
  const [id, phase] = [textOf(value, 'id') || textOf(value, 'connId'), oneOf(CALL_PHASES, textOf(value, 'state'))]
  if (id === '' || phase === undefined) return undefined
  const duration = fieldOf(value, 'duration')
  const told = (name: string, otherwise: number): number => {
    const found = Date.parse(textOf(value, name)) - ahead
    return Number.isNaN(found) ? otherwise : Math.min(found, at)
  }
  const began = told('startedAt', typeof duration === 'number' ? at - duration * 1_000 : at)
  return {
    id,
    uuid: textOf(value, 'callUuid'),
    type: textOf(value, 'callType'),
    phase,
    number: textOf(value, 'phoneNumber') || textOf(value, 'ani'),
    dialled: textOf(value, 'dnis'),
    participants: listOf(value, 'participants').map((one) => ({ number: textOf(one, 'number'), role: textOf(one, 'role') })),
    data: pairsIn(value, 'userData'),
    capabilities: listOf(value, 'capabilities').filter((one) => typeof one === 'string'),
    parent: textOf(value, 'parentConnId'),
    previous: textOf(value, 'previousConnId'),
    began,
    since: told('stateSince', began),
    recording: oneOf(['Recording', 'Paused'], textOf(value, 'recordingState')) ?? '',
    lastedMs: ['Released', 'Completed'].includes(phase) && typeof duration === 'number' ? duration * 1_000 : undefined,
    isUnanswered: fieldOf(value, 'wasAnswered') === false,
  }
}

export function userIn(value: unknown): User {
  const agent = textOf(value, 'agentLogin') || textOf(value, 'employeeId')
  return { userName: textOf(value, 'userName'), firstName: textOf(value, 'firstName'), lastName: textOf(value, 'lastName'), agent, place: textOf(value, 'defaultPlace') }
}

export function configurationIn(value: unknown): Configuration {
  const reasons = listOf(value, 'actionCodes').filter((one) => textOf(one, 'type') === 'NotReady')
  return {
    reasons: reasons.map((one) => ({ code: textOf(one, 'code'), name: textOf(one, 'name') || textOf(one, 'code') })),
    attributes: listOf(value, 'businessAttributes').map(attributeIn),
    settings: { ...Object.fromEntries(optionsIn(listOf(value, 'settings'))), ...groupSettingsIn(listOf(value, 'agentGroups')) },
  }
}

/** The section of a group that says something to desktops, by the name that published desktops have for it. */
const SECTION = 'interaction-workspace'

function groupSettingsIn(groups: readonly unknown[]): Readonly<Record<string, string>> {
  return Object.fromEntries(groups.flatMap((group) => pairsIn(fieldOf(group, 'settings'), SECTION).map(({ key, value }) => [key, value] as const)))
}

/** Options by their names, whatever sections they stand in. */
function optionsIn(pairs: readonly unknown[]): readonly (readonly [string, string])[] {
  return pairs.flatMap((pair) => {
    const inner = listOf(pair, 'value')
    return inner.length > 0 ? optionsIn(inner) : [[textOf(pair, 'key'), textOf(pair, 'value')] as const]
  })
}

function attributeIn(value: unknown): Attribute {
  const name = textOf(value, 'name')
  const values = listOf(value, 'values').map((one) => ({ name: textOf(one, 'name'), title: textOf(one, 'displayName') || textOf(one, 'name'), isDefault: fieldOf(one, 'default') === true }))
  return { name, title: textOf(value, 'displayName') || name, values: values.filter((one) => one.name !== '') }
}

/** `data` of the session that there is. */
export function sessionIn(value: unknown, at: number, ahead = 0): SessionShown {
  const user = fieldOf(value, 'user')
  const configuration = fieldOf(value, 'configuration')
  const active = fieldOf(user, 'activeSession')
  const dn = dnIn(fieldOf(active, 'dn'), at, ahead)
  const calls = listOf(active, 'calls').flatMap((one) => callIn(one, at, ahead) ?? [])
  const voice = listOf(active, 'services').find((one) => textOf(one, 'serviceName') === 'VOICE')
  return {
    user: userIn(user),
    configuration: configuration === undefined ? undefined : configurationIn(configuration),
    active: dn === undefined ? undefined : { dn, calls, isVoiceThere: textOf(voice, 'serviceState') !== 'UNAVAILABLE' },
    beginning: textOf(fieldOf(value, 'pending-login-async'), 'state'),
  }
}

export function devicesIn(value: unknown): readonly Device[] {
  return listOf(value, 'devices').map((one) => ({ number: textOf(one, 'number'), agent: textOf(one, 'agentId'), isBrowserPhone: fieldOf(one, 'browserPhone') === true })).filter(({ number }) => number !== '')
}
