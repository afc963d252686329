import type { Group, Options } from '../fields'

export const DIAL_ACTIONS: Options = [
  ['emergency', 'setup.dialRule.emergency'],
  ['block', 'setup.dialRule.block'],
  ['translate', 'setup.dialRule.translate'],
  ['caller_id', 'setup.dialRule.callerId'],
  ['limit', 'setup.dialRule.limit'],
  ['route', 'setup.dialRule.route'],
  ['send', 'setup.dialRule.send'],
  ['receive', 'setup.dialRule.receive'],
]

const SPENDERS: Options = [
  ['phone', 'setup.dialRule.perPhone'],
  ['agent', 'setup.dialRule.perAgent'],
  ['tenant', 'setup.dialRule.perTenant'],
]

/** Calls, minutes and costs. */
const SPENT_MAX = 10_000_000
const PLACE_MAX = 1_000_000
const REMOVED_MAX = 64

const of = (...is: readonly string[]) => ({ path: 'action', is })

/** A rule about dialled numbers: its action says which fields it has. */
export const DIAL_RULE: readonly Group[] = [
  {
    title: 'setup.dialRule',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', hint: 'setup.dialRule.nameHint', required: true, fixed: true },
      { kind: 'choice', path: 'action', label: 'setup.dialRule.what', hint: 'setup.dialRule.whatHint', options: DIAL_ACTIONS, initial: 'block', required: true, fixed: true },
      { kind: 'text', path: 'pattern', label: 'setup.dialRule.numbers', hint: 'setup.dialRule.numbersHint', required: true },
      { kind: 'whole', path: 'place', label: 'setup.dialRule.place', hint: 'setup.dialRule.placeHint', min: 0, max: PLACE_MAX, required: true },
    ],
  },
  { title: 'setup.dialRule.emergency', when: of('emergency'), fields: [{ kind: 'reference', of: 'trunk', path: 'trunk', label: 'setup.trunk', hint: 'setup.dialRule.firstTrunkHint' }] },
  { title: 'setup.dialRule.block', when: of('block'), fields: [{ kind: 'text', path: 'reason', label: 'setup.dialRule.reason', hint: 'setup.dialRule.reasonHint', required: true }] },
  {
    title: 'setup.dialRule.rewritten',
    when: of('translate', 'send', 'receive'),
    fields: [
      { kind: 'whole', path: 'remove', label: 'setup.dialRule.remove', min: 0, max: REMOVED_MAX, initial: '0', required: true },
      { kind: 'text', path: 'add', label: 'setup.dialRule.put', hint: 'setup.dialRule.putHint', isText: true },
    ],
  },
  { title: 'setup.dialRule.callerId', when: of('caller_id'), fields: [{ kind: 'text', path: 'shows', label: 'setup.dialRule.shows', hint: 'setup.dialRule.showsHint', required: true }] },
  { title: 'setup.trunk', when: of('caller_id', 'send', 'receive'), fields: [{ kind: 'reference', of: 'trunk', path: 'trunk', label: 'setup.trunk', hint: 'setup.dialRule.trunkHint' }] },
  {
    title: 'setup.dialRule.route',
    when: of('route'),
    fields: [
      { kind: 'reference', of: 'trunk', path: 'trunk', label: 'setup.trunk', required: true },
      { kind: 'whole', path: 'cost', label: 'setup.dialRule.cost', hint: 'setup.dialRule.costHint', min: 0, max: SPENT_MAX, initial: '0', required: true },
      { kind: 'reference', of: 'schedule', path: 'schedule', label: 'setup.schedule', hint: 'setup.dialRule.scheduleHint' },
    ],
  },
  {
    title: 'setup.dialRule.limit',
    when: of('limit'),
    fields: [
      { kind: 'choice', path: 'per', label: 'setup.dialRule.per', options: SPENDERS, initial: 'phone', required: true },
      { kind: 'whole', path: 'calls', label: 'setup.dialRule.calls', hint: 'setup.dialRule.spentHint', min: 0, max: SPENT_MAX },
      { kind: 'whole', path: 'minutes', label: 'setup.dialRule.minutes', min: 0, max: SPENT_MAX },
    ],
  },
]
