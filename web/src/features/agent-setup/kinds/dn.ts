import type { Group, Options } from '../fields'
import { LOCATION } from './location'
import { ENCRYPTION } from './options'
import { DNS_SWITCH } from './switches'

const EXTENSION = { path: 'type', is: ['extension'] }
const ROUTE_POINT = { path: 'type', is: ['route_point'] }
const ANNOUNCEMENT = { path: 'type', is: ['announcement'] }

/** The form of a DN of one of these types. */
export function dnGroups(types: Options): readonly Group[] {
  return [
    {
      title: 'setup.dn.what',
      fields: [
        { kind: 'choice', path: 'type', label: 'setup.dn.type', options: types, initial: types[0]?.[0] ?? '', required: true, fixed: true },
        { kind: 'text', path: 'number', label: 'setup.dn.number', hint: 'setup.dn.numberHint', required: true, fixed: true },
        DNS_SWITCH,
      ],
    },
    {
      title: 'setup.dn.extension',
      when: EXTENSION,
      fields: [
        { kind: 'secret', path: 'password', label: 'setup.dn.password', hint: 'setup.dn.passwordHint', isKept: true },
        { kind: 'whole', path: 'no_answer_s', label: 'setup.dn.noAnswerTime', hint: 'setup.byTenant', min: 1, max: 600, unit: 'setup.seconds' },
        { kind: 'flag', path: 'call_waiting', label: 'setup.dn.callWaiting', initial: true },
        { kind: 'whole', path: 'outgoing_max', label: 'setup.dn.outgoingMax', hint: 'setup.byTenant', min: 0, max: 100_000 },
        { kind: 'choice', path: 'encryption', label: 'setup.encryption', options: ENCRYPTION, initial: 'off', required: true },
        { kind: 'flag', path: 'direct_media', label: 'setup.directMedia' },
      ],
    },
    { ...LOCATION, when: EXTENSION },
    {
      title: 'setup.dn.routePoint',
      when: ROUTE_POINT,
      fields: [
        { kind: 'reference', of: 'application', path: 'application', label: 'setup.application', required: true },
        { kind: 'reference', of: 'dn', path: 'default_dn', label: 'setup.dn.defaultDn', hint: 'setup.dn.defaultDnHint' },
        { kind: 'whole', path: 'service_level_s', label: 'setup.dn.serviceLevel', min: 0, max: 86_400, unit: 'setup.seconds', initial: '20', required: true },
        { kind: 'whole', path: 'short_abandon_s', label: 'setup.dn.shortAbandon', min: 0, max: 86_400, unit: 'setup.seconds', initial: '5', required: true },
        { kind: 'whole', path: 'wrap_up_s', label: 'setup.wrapUp', hint: 'setup.dn.wrapUpHint', min: 0, max: 3_600, unit: 'setup.seconds' },
      ],
    },
    {
      title: 'setup.dn.announcement',
      when: ANNOUNCEMENT,
      fields: [{ kind: 'references', of: 'prompt', path: 'prompts', label: 'setup.dn.prompts', required: true }],
    },
  ]
}
