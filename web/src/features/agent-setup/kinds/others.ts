import type { Group } from '../fields'
import { LOCATION } from './location'
import { FEATURE_ACTIONS, GRANTS } from './options'

export const SKILL: readonly Group[] = [{ title: 'setup.skill', fields: [{ kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true }] }]

export const PLACE: readonly Group[] = [
  {
    title: 'setup.place',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'references', of: 'dn', path: 'dns', label: 'setup.place.dns', hint: 'setup.place.dnsHint', required: true },
      { kind: 'reference', of: 'capacity_rule', path: 'capacity_rule', label: 'setup.capacityRule', hint: 'setup.capacityRule.placeHint' },
    ],
  },
  LOCATION,
]

export const NUMBER: readonly Group[] = [
  {
    title: 'setup.number',
    fields: [
      { kind: 'text', path: 'number', label: 'setup.number', hint: 'setup.number.hint', required: true, fixed: true },
      { kind: 'text', path: 'name', label: 'setup.number.name', hint: 'setup.number.nameHint', required: true },
      { kind: 'reference', of: 'dn', path: 'dn', label: 'setup.number.dn', required: true },
      { kind: 'reference', of: 'schedule', path: 'schedule', label: 'setup.schedule', hint: 'setup.number.scheduleHint' },
      { kind: 'reference', of: 'dn', path: 'closed_dn', label: 'setup.number.closedDn' },
    ],
  },
]

export const APPLICATION: readonly Group[] = [
  {
    title: 'setup.application',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'document', code: true, path: 'document', label: 'setup.application.document', hint: 'setup.application.documentHint', required: true },
      { kind: 'sections', path: 'options', label: 'setup.application.options', hint: 'setup.application.optionsHint' },
    ],
  },
]

export const PROMPT: readonly Group[] = [
  {
    title: 'setup.prompt',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'text', path: 'file', label: 'setup.prompt.file', hint: 'setup.prompt.fileHint', required: true },
    ],
  },
]

export const SCHEDULE: readonly Group[] = [
  {
    title: 'setup.schedule',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'text', path: 'time_zone', label: 'setup.schedule.timeZone', hint: 'setup.schedule.timeZoneHint' },
      { kind: 'lines', path: 'open', label: 'setup.schedule.open', hint: 'setup.schedule.openHint', required: true },
      { kind: 'lines', path: 'exceptions', label: 'setup.schedule.exceptions', hint: 'setup.schedule.exceptionsHint' },
    ],
  },
]

export const FEATURE_CODE: readonly Group[] = [
  {
    title: 'setup.feature',
    fields: [
      { kind: 'text', path: 'code', label: 'setup.feature.code', hint: 'setup.feature.codeHint', required: true, fixed: true },
      { kind: 'choice', path: 'action', label: 'setup.feature.action', options: FEATURE_ACTIONS, initial: 'login', required: true },
      { kind: 'flag', path: 'ask_pin', label: 'setup.feature.askPin' },
    ],
  },
]

export const CLIENT: readonly Group[] = [
  {
    title: 'setup.client',
    fields: [
      { kind: 'text', path: 'id', label: 'setup.client.id', required: true, fixed: true },
      { kind: 'text', path: 'name', label: 'setup.name', required: true },
      { kind: 'secret', path: 'secret', label: 'setup.client.secret', hint: 'setup.client.secretHint' },
      { kind: 'keys', path: 'jwks', label: 'setup.client.keys', hint: 'setup.client.keysHint' },
      { kind: 'many', path: 'grants', label: 'setup.client.grants', options: GRANTS, required: true },
      { kind: 'lines', path: 'redirect_uris', label: 'setup.client.redirects', hint: 'setup.client.redirectsHint' },
      { kind: 'lines', path: 'scopes', label: 'setup.client.scopes', hint: 'setup.client.scopesHint' },
      { kind: 'text', path: 'backchannel_logout_uri', label: 'setup.client.logoutUri', hint: 'setup.client.logoutUriHint' },
      { kind: 'text', path: 'frontchannel_logout_uri', label: 'setup.client.frontLogoutUri', hint: 'setup.client.frontLogoutUriHint' },
      { kind: 'flag', path: 'frontchannel_logout_session_required', label: 'setup.client.frontLogoutSession', hint: 'setup.client.frontLogoutSessionHint', initial: true, orNothing: true },
    ],
  },
]
