/** Groups of DNs, what is to be called, services that talk by themselves, capacity rules, transactions. */

import type { Field, Group, Options } from '../fields'
import { DIALING_MODES, DN_GROUP_TYPES, SERVICE_TYPES, TRANSACTION_TYPES } from './further-names'

const WEIGHT_MAX = 1_000
const ATTEMPTS_MAX = 100
const MINUTES_MAX = 43_200
const TARGET_MAX = 3_600
const CALLS_MAX = 100_000
const DURATION_MAX = 86_400
const INTERACTIONS_MAX = 1_000

const NAME: Field = { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true }

const FIELD_TYPES: Options = [
  ['phone', 'setup.callingList.phone'],
  ['text', 'setup.callingList.text'],
  ['number', 'setup.callingList.number'],
  ['date', 'setup.callingList.date'],
  ['flag', 'setup.callingList.flag'],
]

const RESULTS: Options = [
  ['answer', 'setup.callingList.answer'],
  ['answering_machine', 'setup.callingList.answeringMachine'],
  ['fax', 'setup.callingList.fax'],
  ['silence', 'setup.callingList.silence'],
  ['busy', 'setup.callingList.busy'],
  ['no_answer', 'setup.callingList.noAnswer'],
  ['abandoned', 'setup.callingList.abandoned'],
  ['dropped', 'setup.callingList.dropped'],
  ['invalid_number', 'setup.callingList.invalidNumber'],
  ['wrong_number', 'setup.callingList.wrongNumber'],
  ['do_not_call', 'setup.callingList.doNotCall'],
  ['error', 'setup.callingList.error'],
]

const TREATMENTS: Options = [
  ['connect', 'setup.callingList.connect'],
  ['hang_up', 'setup.callingList.hangUp'],
  ['retry', 'setup.callingList.retry'],
  ['next_phone', 'setup.callingList.nextPhone'],
  ['finish', 'setup.callingList.finish'],
]

const PACINGS: Options = [
  ['busy_percent', 'setup.campaignGroup.busyPercent'],
  ['abandon_percent', 'setup.campaignGroup.abandonPercent'],
  ['waiting_s', 'setup.campaignGroup.waiting'],
]

export const DN_GROUP: readonly Group[] = [
  {
    title: 'setup.dnGroup',
    fields: [
      NAME,
      { kind: 'choice', path: 'type', label: 'setup.dnGroup.type', hint: 'setup.dnGroup.typeHint', options: DN_GROUP_TYPES, initial: 'single_ports', required: true },
      {
        kind: 'rows',
        path: 'members',
        label: 'setup.dnGroup.members',
        hint: 'setup.dnGroup.membersHint',
        add: 'setup.dnGroup.addMember',
        columns: [
          { kind: 'reference', name: 'dn', label: 'setup.dn', of: 'dn' },
          { kind: 'whole', name: 'weight', label: 'setup.weight', min: 0, max: WEIGHT_MAX, initial: '1' },
        ],
      },
    ],
  },
]

export const CALLING_LIST: readonly Group[] = [
  {
    title: 'setup.callingList',
    fields: [
      NAME,
      { kind: 'text', path: 'source', label: 'setup.callingList.source', hint: 'setup.callingList.sourceHint', isWide: true },
      { kind: 'reference', of: 'schedule', path: 'schedule', label: 'setup.schedule', hint: 'setup.callingList.scheduleHint' },
      { kind: 'whole', path: 'attempts_max', label: 'setup.callingList.attempts', hint: 'setup.callingList.attemptsHint', min: 1, max: ATTEMPTS_MAX, initial: '3', required: true },
    ],
  },
  {
    title: 'setup.callingList.records',
    fields: [
      {
        kind: 'rows',
        path: 'fields',
        label: 'setup.callingList.fields',
        hint: 'setup.callingList.fieldsHint',
        add: 'setup.callingList.addField',
        columns: [
          { kind: 'text', name: 'name', label: 'setup.name', required: true },
          { kind: 'choice', name: 'type', label: 'setup.callingList.fieldType', options: FIELD_TYPES },
        ],
      },
      {
        kind: 'rows',
        path: 'treatments',
        label: 'setup.callingList.treatments',
        hint: 'setup.callingList.treatmentsHint',
        add: 'setup.callingList.addTreatment',
        columns: [
          { kind: 'choice', name: 'result', label: 'setup.callingList.result', options: RESULTS },
          { kind: 'choice', name: 'action', label: 'setup.callingList.action', options: TREATMENTS },
          { kind: 'whole', name: 'after_min', label: 'setup.callingList.after', min: 1, max: MINUTES_MAX, initial: '', isOptional: true },
        ],
      },
    ],
  },
]

export const CAMPAIGN: readonly Group[] = [
  {
    title: 'setup.campaign',
    fields: [
      NAME,
      {
        kind: 'rows',
        path: 'calling_lists',
        label: 'setup.callingLists',
        hint: 'setup.campaign.listsHint',
        add: 'setup.campaign.addList',
        columns: [
          { kind: 'reference', name: 'calling_list', label: 'setup.callingList', of: 'calling_list' },
          { kind: 'whole', name: 'weight', label: 'setup.weight', min: 0, max: WEIGHT_MAX, initial: '1' },
        ],
      },
    ],
  },
]

export const CAMPAIGN_GROUP: readonly Group[] = [
  {
    title: 'setup.campaignGroup',
    fields: [
      NAME,
      { kind: 'reference', of: 'campaign', path: 'campaign', label: 'setup.campaign', required: true },
      { kind: 'reference', of: 'agent_group', path: 'agent_group', label: 'setup.agentGroup', required: true },
    ],
  },
  {
    title: 'setup.campaignGroup.dialing',
    fields: [
      { kind: 'choice', path: 'mode', label: 'setup.campaignGroup.mode', hint: 'setup.campaignGroup.modeHint', options: DIALING_MODES, initial: 'preview', required: true },
      { kind: 'choice', path: 'pacing', label: 'setup.campaignGroup.pacing', hint: 'setup.campaignGroup.pacingHint', options: PACINGS },
      { kind: 'whole', path: 'target', label: 'setup.campaignGroup.target', hint: 'setup.campaignGroup.targetHint', min: 1, max: TARGET_MAX },
      { kind: 'reference', of: 'dn', path: 'route_point', label: 'setup.campaignGroup.routePoint', hint: 'setup.campaignGroup.routePointHint' },
    ],
  },
]

const runs = (...is: readonly string[]) => ({ path: 'service_type', is })

export const IVR_PROFILE: readonly Group[] = [
  {
    title: 'setup.ivrProfile',
    fields: [
      NAME,
      { kind: 'choice', path: 'service_type', label: 'setup.ivrProfile.runs', hint: 'setup.ivrProfile.runsHint', options: SERVICE_TYPES, initial: 'scxml', required: true },
      { kind: 'reference', of: 'application', path: 'application', label: 'setup.application', required: true, when: runs('scxml') },
      { kind: 'text', path: 'initial_page_url', label: 'setup.ivrProfile.page', hint: 'setup.ivrProfile.pageHint', isWide: true, required: true, when: runs('voicexml') },
    ],
  },
  {
    title: 'setup.ivrProfile.policies',
    fields: [
      { kind: 'whole', path: 'policies.calls_max', label: 'setup.ivrProfile.callsMax', hint: 'setup.ivrProfile.noLimit', min: 1, max: CALLS_MAX },
      { kind: 'whole', path: 'policies.duration_max_s', label: 'setup.ivrProfile.durationMax', hint: 'setup.ivrProfile.noLimit', min: 1, max: DURATION_MAX, unit: 'setup.seconds' },
      { kind: 'flag', path: 'policies.transfers', label: 'setup.ivrProfile.transfers', initial: true },
      { kind: 'flag', path: 'policies.outgoing_calls', label: 'setup.ivrProfile.outgoingCalls' },
    ],
  },
]

export const CAPACITY_RULE: readonly Group[] = [
  {
    title: 'setup.capacityRule',
    fields: [
      NAME,
      { kind: 'whole', path: 'media.voice', label: 'setup.capacityRule.voice', hint: 'setup.capacityRule.voiceHint', min: 0, max: INTERACTIONS_MAX },
      { kind: 'whole', path: 'media.chat', label: 'setup.capacityRule.chat', min: 0, max: INTERACTIONS_MAX },
      { kind: 'whole', path: 'media.email', label: 'setup.capacityRule.email', min: 0, max: INTERACTIONS_MAX },
      { kind: 'whole', path: 'media.sms', label: 'setup.capacityRule.sms', min: 0, max: INTERACTIONS_MAX },
      { kind: 'whole', path: 'media.video', label: 'setup.capacityRule.video', min: 0, max: INTERACTIONS_MAX },
      { kind: 'whole', path: 'media.work_item', label: 'setup.capacityRule.workItem', min: 0, max: INTERACTIONS_MAX },
    ],
  },
]

export const TRANSACTION: readonly Group[] = [
  {
    title: 'setup.transaction',
    fields: [
      NAME,
      { kind: 'choice', path: 'type', label: 'setup.transaction.type', options: TRANSACTION_TYPES, initial: 'call_data', required: true },
      { kind: 'text', path: 'alias', label: 'setup.transaction.alias', hint: 'setup.transaction.aliasHint' },
      { kind: 'sections', path: 'sections', label: 'setup.lookup.sections', hint: 'setup.lookup.sectionsHint' },
    ],
  },
]
