/** What has happened while nothing was heard: the difference between what was shown and what is so now. */

import type { Call, Dn } from '../../api/workspace-shapes'

/** What a desk shows of its phone. */
export type Picture = { readonly dn: Dn | undefined; readonly calls: readonly Call[] }

export type Missed =
  /** A call has rung here and is gone. */
  | { readonly kind: 'rang'; readonly call: Call }
  | { readonly kind: 'ended'; readonly call: Call }
  | { readonly kind: 'new'; readonly call: Call }
  | { readonly kind: 'changed'; readonly call: Call }
  | { readonly kind: 'state'; readonly dn: Dn }

/** `rang`: calls that were told of meanwhile, as they were told first. */
export function missedBetween(before: Picture, after: Picture, rang: readonly Call[]): readonly Missed[] {
  const now = (call: Call): Call | undefined => after.calls.find((one) => one.id === call.id || continues(one, call))
  const known = (call: Call): boolean => before.calls.some((one) => one.id === call.id || continues(call, one))
  const gone = before.calls.filter((call) => !isOver(call) && now(call) === undefined)
  const passed = rang.filter((call) => !known(call) && now(call) === undefined)
  return [
    ...[...gone.filter(({ phase }) => phase === 'Ringing'), ...passed].map((call) => ({ kind: 'rang', call }) as const),
    ...gone.filter(({ phase }) => phase !== 'Ringing').map((call) => ({ kind: 'ended', call }) as const),
    ...after.calls.flatMap((call): readonly Missed[] => {
      const was = before.calls.find((one) => one.id === call.id || continues(call, one))
      if (was === undefined) return [{ kind: isOver(call) ? 'ended' : 'new', call }]
      if (was.phase === call.phase) return []
      return [{ kind: isOver(call) ? 'ended' : 'changed', call }]
    }),
    ...(after.dn !== undefined && before.dn !== undefined && isOther(before.dn, after.dn) ? [{ kind: 'state', dn: after.dn } as const] : []),
  ]
}

/** Whether a call is another one under a new id, after a transfer or conference. A consultation names the call that it is about, which goes on. */
export function continues(call: Call, before: Pick<Call, 'id'>): boolean {
  return call.previous === before.id && call.type !== 'Consult' && call.parent !== before.id
}

export function isOver({ phase }: Call): boolean {
  return phase === 'Released' || phase === 'Completed'
}

function isOther(before: Dn, after: Dn): boolean {
  return before.state !== after.state || (after.state === 'NotReady' && (before.workMode !== after.workMode || reasonOf(before) !== reasonOf(after)))
}

/** The code of the reason that a DN's agent has; empty without one. */
export function reasonOf({ reasons }: Dn): string {
  return reasons.find(({ key }) => key === 'ReasonCode')?.value ?? ''
}
