/** Further codes with which agents log in, and names for parts of the DNs. */

import type { Field, Group } from '../fields'

const WRAP_UP_MAX = 3_600

export const AGENT_LOGIN: readonly Group[] = [
  {
    title: 'setup.agentLogin',
    fields: [
      { kind: 'text', path: 'code', label: 'setup.agentLogin.code', hint: 'setup.agentLogin.codeHint', required: true, fixed: true },
      { kind: 'reference', of: 'person', path: 'person', label: 'setup.person.who', hint: 'setup.agentLogin.personHint' },
      { kind: 'whole', path: 'wrap_up_s', label: 'setup.wrapUp', hint: 'setup.agentLogin.wrapUpHint', min: 0, max: WRAP_UP_MAX, unit: 'setup.seconds' },
      { kind: 'flag', path: 'disabled', label: 'setup.agentLogin.disabled', hint: 'setup.agentLogin.disabledHint' },
    ],
  },
]

export const SWITCH: readonly Group[] = [
  {
    title: 'setup.switch',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'flag', path: 'default', label: 'setup.switch.default', hint: 'setup.switch.defaultHint' },
      {
        kind: 'rows',
        path: 'access_codes',
        label: 'setup.switch.accessCodes',
        hint: 'setup.switch.accessCodesHint',
        add: 'setup.switch.addCode',
        columns: [
          { kind: 'reference', name: 'switch', label: 'setup.switch', of: 'switch' },
          { kind: 'text', name: 'code', label: 'setup.switch.code', required: true },
        ],
      },
    ],
  },
]

/** That of a DN. */
export const DNS_SWITCH: Field = { kind: 'reference', of: 'switch', path: 'switch', label: 'setup.switch', hint: 'setup.switch.dnHint' }
