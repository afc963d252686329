import type { Group } from '../fields'
import { LEVEL_MAX, NO_ANSWER, PRIVILEGES } from './options'

const PASSWORD_LEAST = 8

export const PERSON: readonly Group[] = [
  {
    title: 'setup.person.who',
    fields: [
      { kind: 'text', path: 'user_name', label: 'setup.person.userName', hint: 'setup.person.userNameHint', required: true, fixed: true },
      { kind: 'text', path: 'first_name', label: 'setup.person.firstName', required: true },
      { kind: 'text', path: 'last_name', label: 'setup.person.lastName', required: true },
      { kind: 'text', type: 'email', path: 'email', label: 'setup.person.email' },
      { kind: 'text', path: 'external_id', label: 'setup.person.externalId', hint: 'setup.person.externalIdHint' },
    ],
  },
  {
    title: 'setup.person.signIn',
    fields: [
      { kind: 'secret', path: 'password', label: 'setup.person.password', hint: 'setup.person.passwordHint', minLength: PASSWORD_LEAST },
      { kind: 'flag', path: 'change_password', label: 'setup.person.changePassword', hint: 'setup.person.changePasswordHint' },
      { kind: 'secret', path: 'second_factor', label: 'setup.person.secondFactor', hint: 'setup.person.secondFactorHint', isOnlyRemoved: true },
      { kind: 'many', path: 'privileges', label: 'setup.person.privileges', hint: 'setup.person.privilegesHint', options: PRIVILEGES },
      { kind: 'flag', path: 'disabled', label: 'setup.person.disabled', hint: 'setup.person.disabledHint' },
    ],
  },
  {
    title: 'setup.person.agent',
    within: { path: 'agent', by: 'setup.person.isAgent' },
    fields: [
      { kind: 'text', path: 'agent.id', label: 'setup.person.agentId', required: true },
      { kind: 'text', path: 'agent.login_code', label: 'setup.person.loginCode', hint: 'setup.person.loginCodeHint', orAs: 'agent.id' },
      { kind: 'secret', path: 'agent.pin', label: 'setup.person.pin', hint: 'setup.person.pinHint' },
      { kind: 'reference', of: 'place', path: 'agent.default_place', label: 'setup.person.place', hint: 'setup.person.placeHint' },
      {
        kind: 'rows',
        path: 'agent.skills',
        label: 'setup.person.skills',
        add: 'setup.person.addSkill',
        columns: [
          { kind: 'reference', name: 'skill', label: 'setup.skill', of: 'skill' },
          { kind: 'whole', name: 'level', label: 'setup.level', min: 1, max: LEVEL_MAX, initial: '1' },
        ],
      },
      { kind: 'whole', path: 'agent.wrap_up_s', label: 'setup.wrapUp', hint: 'setup.byTenant', min: 0, max: 3_600, unit: 'setup.seconds' },
      { kind: 'whole', path: 'agent.legal_guard_s', label: 'setup.legalGuard', hint: 'setup.byTenant', min: 0, max: 3_600, unit: 'setup.seconds' },
      { kind: 'choice', path: 'agent.no_answer_action', label: 'setup.noAnswer', options: NO_ANSWER },
      { kind: 'reference', of: 'capacity_rule', path: 'agent.capacity_rule', label: 'setup.capacityRule', hint: 'setup.capacityRule.personHint' },
    ],
  },
]
