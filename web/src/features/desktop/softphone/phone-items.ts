/** What the installation is told of the phone of a page: that it is there, lost or refused, and that calls begin and end; of nobody. */

import type { Item, Telemetry } from '../../../api/telemetry'
import type { SoftphoneState } from '../softphone-state'
import type { ShownPhone } from './phone-devices'

/** A phone that shows what it is given, and tells what of it is news. */
export function alsoTold(shown: ShownPhone, telemetry: Pick<Telemetry, 'tell' | 'flush'>): ShownPhone {
  return {
    state: shown.state,
    take: (input) => {
      const before = shown.state()
      shown.take(input)
      const news = phoneItems(before, shown.state())
      for (const item of news) telemetry.tell(item)
      if (news.length > 0) void telemetry.flush()
    },
  }
}

/** What has changed of a phone. */
export function phoneItems(before: SoftphoneState, after: SoftphoneState): readonly Item[] {
  const talking = ({ calls }: SoftphoneState): ReadonlySet<string> => new Set(calls.filter(({ phase }) => phase === 'talking').map(({ id }) => id))
  const [were, are] = [talking(before), talking(after)]
  const begun = [...are].filter((id) => !were.has(id)).map((): Item => ({ type: 'event', name: 'call_started' }))
  const over = [...were].filter((id) => !are.has(id)).map((): Item => ({ type: 'event', name: 'call_ended' }))
  return [...phaseItems(before, after), ...deviceItems(before, after), ...begun, ...over]
}

function phaseItems({ phase: before }: SoftphoneState, { phase: after }: SoftphoneState): readonly Item[] {
  if (after.kind === 'ready' && before.kind !== 'ready') return [{ type: 'event', name: 'phone_registered' }]
  if (after.kind === 'lost' && before.kind === 'ready') return [{ type: 'event', name: 'phone_lost', level: 'warn' }]
  const isKnown = before.kind === 'failed' && after.kind === 'failed' && before.why === after.why
  if (after.kind === 'failed' && !isKnown) return [{ type: 'event', name: 'error_phone', level: 'error', props: { why: after.why } }]
  return []
}

/** Other devices were chosen; what they are called is nobody's business. */
function deviceItems(before: SoftphoneState, after: SoftphoneState): readonly Item[] {
  const isOther = JSON.stringify(before.devices.chosen) !== JSON.stringify(after.devices.chosen)
  return isOther && after.phase.kind === 'ready' ? [{ type: 'event', name: 'devices_changed' }] : []
}
