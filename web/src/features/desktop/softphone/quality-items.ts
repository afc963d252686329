/** What the installation is told of a call that is over: numbers alone, of nobody. */

import type { Item } from '../../../api/telemetry'
import type { CallQuality } from './call-quality'

/** Averages over a call, and the worst opinion; nothing of a call of which nothing was heard. */
export function qualityItems(heard: readonly CallQuality[]): readonly Item[] {
  const last = heard.at(-1)
  if (last === undefined) return []
  const average = (of: (one: CallQuality) => number): number => Math.round((heard.reduce((sum, one) => sum + of(one), 0) / heard.length) * 100) / 100
  const metric = (name: string, value: number): Item => ({ type: 'metric', name, value, props: { codec: last.codec } })
  return [
    metric('sip_call_mos', average(({ mos }) => mos)),
    metric('sip_call_mos_worst', Math.round(Math.min(...heard.map(({ mos }) => mos)) * 100) / 100),
    metric('jitter', average(({ jitterMs }) => jitterMs)),
    metric('packet_loss', average(({ lossPercent }) => lossPercent)),
  ]
}
