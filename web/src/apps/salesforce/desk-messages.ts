/** What the desktop says, read leniently: docs/desktop-embedding.md has the contract. */

/** In each message, both ways: as `features/desktop/embedding` has it. */
export const PROTOCOL = 'trunkline.desktop/1'

export type DeskCall = {
  readonly id: string
  readonly uuid: string
  /** The id before a transfer or conference. */
  readonly previous: string
  readonly type: string
  readonly state: string
  readonly number: string
  readonly data: Readonly<Record<string, string>>
  /** When it began, in milliseconds since 1970; undefined where the message does not say so. */
  readonly since: number | undefined
}

export type DeskMessage =
  | { readonly kind: 'here' }
  | { readonly kind: 'hello'; readonly isAtWork: boolean; readonly isLost: boolean; readonly calls: readonly DeskCall[]; readonly origins: readonly string[]; readonly settings: Readonly<Record<string, string>> }
  | { readonly kind: 'agent'; readonly isAtWork: boolean }
  /** Whether the desktop hears from the server. */
  | { readonly kind: 'connection'; readonly isLost: boolean }
  | { readonly kind: 'call'; readonly change: 'new' | 'changed'; readonly call: DeskCall }
  | { readonly kind: 'gone'; readonly id: string }
  /** The answer to a number. */
  | { readonly kind: 'dialled'; readonly error: string }

/** The ids of our requests: one of each is under way at most, or its answer does not matter. */
export const HELLO = 'hello'
export const DIAL = 'dial'

export function deskMessage(data: unknown): DeskMessage | undefined {
  const { protocol, event, id, ok, error, result, agent, change, call, connection } = fieldsOf(data)
  if (protocol !== PROTOCOL) return undefined
  if (event === 'here') return { kind: 'here' }
  if (event === 'agent') return { kind: 'agent', isAtWork: agent !== null && agent !== undefined }
  if (event === 'connection') return { kind: 'connection', isLost: connection === 'lost' }
  if (event === 'call' && change === 'gone') return { kind: 'gone', id: textOf(fieldsOf(call)['id']) }
  if (event === 'call') {
    const shown = callOf(call)
    return shown === undefined ? undefined : { kind: 'call', change: change === 'new' ? 'new' : 'changed', call: shown }
  }
  if (id === HELLO && ok === true) return helloOf(fieldsOf(result))
  if (id === DIAL) return { kind: 'dialled', error: ok === true ? '' : textOf(error) || 'refused' }
  return undefined
}

function helloOf({ agent, calls, crm, connection }: Readonly<Record<string, unknown>>): DeskMessage {
  const { origins, settings } = fieldsOf(crm)
  return {
    kind: 'hello',
    isAtWork: agent !== null && agent !== undefined,
    isLost: connection === 'lost',
    calls: listOf(calls).flatMap((one) => callOf(one) ?? []),
    origins: listOf(origins).filter((origin) => typeof origin === 'string'),
    settings: textsOf(settings),
  }
}

function callOf(value: unknown): DeskCall | undefined {
  const { id, uuid, previous, type, state, number, data, since } = fieldsOf(value)
  if (textOf(id) === '') return undefined
  return { id: textOf(id), uuid: textOf(uuid), previous: textOf(previous), type: textOf(type), state: textOf(state), number: textOf(number), data: textsOf(data), since: typeof since === 'number' ? since : undefined }
}

export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const textsOf = (value: unknown): Readonly<Record<string, string>> => Object.fromEntries(Object.entries(fieldsOf(value)).map(([key, text]) => [key, textOf(text)]))
