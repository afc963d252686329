/** The sections of Agent Setup: which objects each shows, and in which columns. The form of one is in `forms.ts`: it is loaded when one is opened. */

import type { Kind } from '../../api/agent-setup'
import { t, type PlainText } from '../../lib/i18n'
import type { Options } from './fields'
import { DIALING_MODES, DN_GROUP_TYPES, SERVICE_TYPES, TRANSACTION_TYPES } from './kinds/further-names'
import { CODED_ACTIONS, DN_TYPES, FEATURE_ACTIONS, QUEUE_TYPES } from './kinds/options'

export type Column = {
  readonly label: PlainText
  readonly path: string
  /** What its names mean, where it holds a name of a few. */
  readonly options?: Options
  /** Left out where there is no room. */
  readonly isFurther?: boolean
}

export type Section = {
  /** Its place in addresses. */
  readonly path: string
  readonly kind: Kind
  readonly title: PlainText
  /** What one of them is called. */
  readonly one: PlainText
  /** What a new one is called. */
  readonly add: PlainText
  /** The field that is the object's id. */
  readonly id: string
  readonly idLabel: PlainText
  readonly columns: readonly Column[]
  /** Of a kind with types, those that belong here. */
  readonly types?: readonly string[]
  /** The second key of its shortcut, behind `g`. */
  readonly key: string
  /** The id of its only object, which is neither made nor deleted. */
  readonly only?: string
}

const DN_COLUMNS: readonly Column[] = [
  { label: 'setup.dn.type', path: 'type', options: DN_TYPES },
  { label: 'setup.application', path: 'application', isFurther: true },
]

export const SECTIONS: readonly Section[] = [
  {
    path: 'people',
    kind: 'person',
    title: 'setup.people',
    one: 'setup.person.who',
    add: 'setup.people.add',
    id: 'user_name',
    idLabel: 'setup.person.userName',
    key: 'p',
    columns: [
      { label: 'setup.person.firstName', path: 'first_name' },
      { label: 'setup.person.lastName', path: 'last_name' },
      { label: 'setup.person.agentId', path: 'agent.id', isFurther: true },
      { label: 'setup.place', path: 'agent.default_place', isFurther: true },
      { label: 'setup.person.skills', path: 'agent.skills', isFurther: true },
      { label: 'setup.person.disabled', path: 'disabled', isFurther: true },
    ],
  },
  {
    path: 'agent-groups',
    kind: 'agent_group',
    title: 'setup.agentGroups',
    one: 'setup.agentGroup',
    add: 'setup.agentGroups.add',
    id: 'name',
    idLabel: 'setup.name',
    key: 'm',
    // Those who are named may be thousands.
    columns: [{ label: 'setup.agentGroup.expression', path: 'expression' }, { label: 'setup.agentGroup.managers', path: 'managers', isFurther: true }],
  },
  { path: 'agent-logins', kind: 'agent_login', title: 'setup.agentLogins', one: 'setup.agentLogin', add: 'setup.agentLogins.add', id: 'code', idLabel: 'setup.agentLogin.code', key: '9', columns: [{ label: 'setup.person.who', path: 'person' }, { label: 'setup.agentLogin.disabled', path: 'disabled', isFurther: true }] },
  { path: 'skills', kind: 'skill', title: 'setup.skills', one: 'setup.skill', add: 'setup.skills.add', id: 'name', idLabel: 'setup.name', key: 's', columns: [] },
  { path: 'places', kind: 'place', title: 'setup.places', one: 'setup.place', add: 'setup.places.add', id: 'name', idLabel: 'setup.name', key: 'l', columns: [{ label: 'setup.place.dns', path: 'dns' }] },
  { path: 'place-groups', kind: 'place_group', title: 'setup.placeGroups', one: 'setup.placeGroup', add: 'setup.placeGroups.add', id: 'name', idLabel: 'setup.name', key: 'x', columns: [] },
  { path: 'dns', kind: 'dn', title: 'setup.dns', one: 'setup.dn', add: 'setup.dns.add', id: 'number', idLabel: 'setup.dn.number', key: 'n', columns: DN_COLUMNS },
  { path: 'switches', kind: 'switch', title: 'setup.switches', one: 'setup.switch', add: 'setup.switches.add', id: 'name', idLabel: 'setup.name', key: '0', columns: [{ label: 'setup.switch.default', path: 'default' }] },
  {
    path: 'numbers',
    kind: 'number',
    title: 'setup.numbers',
    one: 'setup.number',
    add: 'setup.numbers.add',
    id: 'number',
    idLabel: 'setup.number',
    key: 'u',
    columns: [{ label: 'setup.number.name', path: 'name' }, { label: 'setup.number.dn', path: 'dn' }, { label: 'setup.schedule', path: 'schedule', isFurther: true }],
  },
  { path: 'queues', kind: 'dn', title: 'setup.queues', one: 'setup.queue', add: 'setup.queues.add', id: 'number', idLabel: 'setup.dn.number', key: 'q', types: QUEUE_TYPES, columns: [...DN_COLUMNS, { label: 'setup.dn.serviceLevel', path: 'service_level_s', isFurther: true }] },
  { path: 'applications', kind: 'application', title: 'setup.applications', one: 'setup.application', add: 'setup.applications.add', id: 'name', idLabel: 'setup.name', key: 'c', columns: [] },
  { path: 'lists', kind: 'list', title: 'setup.lookups', one: 'setup.lookup', add: 'setup.lookups.add', id: 'name', idLabel: 'setup.name', key: 'v', columns: [] },
  { path: 'business-attributes', kind: 'business_attribute', title: 'setup.attributes', one: 'setup.attribute', add: 'setup.attributes.add', id: 'name', idLabel: 'setup.name', key: 'b', columns: [{ label: 'setup.attribute.default', path: 'default' }] },
  { path: 'prompts', kind: 'prompt', title: 'setup.prompts', one: 'setup.prompt', add: 'setup.prompts.add', id: 'name', idLabel: 'setup.name', key: 'r', columns: [{ label: 'setup.prompt.file', path: 'file' }] },
  { path: 'trunks', kind: 'trunk', title: 'setup.trunks', one: 'setup.trunk', add: 'setup.trunks.add', id: 'name', idLabel: 'setup.name', key: 't', columns: [{ label: 'setup.trunk.contact', path: 'contact' }, { label: 'setup.trunk.prefix', path: 'prefix', isFurther: true }] },
  { path: 'trunk-groups', kind: 'trunk_group', title: 'setup.trunkGroups', one: 'setup.trunkGroup', add: 'setup.trunkGroups.add', id: 'name', idLabel: 'setup.name', key: 'T', columns: [{ label: 'setup.trunk.prefix', path: 'prefix' }] },
  { path: 'hours', kind: 'schedule', title: 'setup.hours', one: 'setup.schedule', add: 'setup.hours.add', id: 'name', idLabel: 'setup.name', key: 'h', columns: [{ label: 'setup.schedule.open', path: 'open' }, { label: 'setup.schedule.timeZone', path: 'time_zone', isFurther: true }] },
  { path: 'feature-codes', kind: 'feature_code', title: 'setup.featureCodes', one: 'setup.feature', add: 'setup.featureCodes.add', id: 'code', idLabel: 'setup.feature.code', key: 'f', columns: [{ label: 'setup.feature.action', path: 'action', options: FEATURE_ACTIONS }] },
  {
    path: 'action-codes',
    kind: 'action_code',
    title: 'setup.actionCodes',
    one: 'setup.actionCode',
    add: 'setup.actionCodes.add',
    id: 'code',
    idLabel: 'setup.actionCode.code',
    key: 'y',
    columns: [
      { label: 'setup.name', path: 'name' },
      { label: 'setup.actionCode.action', path: 'action', options: CODED_ACTIONS },
      { label: 'setup.actionCode.order', path: 'order', isFurther: true },
    ],
  },
  { path: 'dial-rules', kind: 'dial_rule', title: 'setup.dialRules', one: 'setup.dialRule', add: 'setup.dialRules.add', id: 'name', idLabel: 'setup.name', key: 'o', columns: [] },
  { path: 'clients', kind: 'client', title: 'setup.clients', one: 'setup.client', add: 'setup.clients.add', id: 'id', idLabel: 'setup.client.id', key: 'i', columns: [{ label: 'setup.name', path: 'name' }, { label: 'setup.client.grants', path: 'grants', isFurther: true }] },
  { path: 'dn-groups', kind: 'dn_group', title: 'setup.dnGroups', one: 'setup.dnGroup', add: 'setup.dnGroups.add', id: 'name', idLabel: 'setup.name', key: '1', columns: [{ label: 'setup.dnGroup.type', path: 'type', options: DN_GROUP_TYPES }] },
  { path: 'calling-lists', kind: 'calling_list', title: 'setup.callingLists', one: 'setup.callingList', add: 'setup.callingLists.add', id: 'name', idLabel: 'setup.name', key: '2', columns: [{ label: 'setup.schedule', path: 'schedule' }] },
  { path: 'campaigns', kind: 'campaign', title: 'setup.campaigns', one: 'setup.campaign', add: 'setup.campaigns.add', id: 'name', idLabel: 'setup.name', key: '3', columns: [] },
  { path: 'campaign-groups', kind: 'campaign_group', title: 'setup.campaignGroups', one: 'setup.campaignGroup', add: 'setup.campaignGroups.add', id: 'name', idLabel: 'setup.name', key: '4', columns: [{ label: 'setup.campaign', path: 'campaign' }, { label: 'setup.campaignGroup.mode', path: 'mode', options: DIALING_MODES, isFurther: true }] },
  { path: 'ivr-profiles', kind: 'ivr_profile', title: 'setup.ivrProfiles', one: 'setup.ivrProfile', add: 'setup.ivrProfiles.add', id: 'name', idLabel: 'setup.name', key: '5', columns: [{ label: 'setup.ivrProfile.runs', path: 'service_type', options: SERVICE_TYPES }, { label: 'setup.application', path: 'application', isFurther: true }] },
  { path: 'statistic-definitions', kind: 'statistic_definition', title: 'setup.statistics', one: 'setup.statistic', add: 'setup.statistics.add', id: 'name', idLabel: 'setup.name', key: '6', columns: [{ label: 'setup.statistic.category', path: 'category' }] },
  { path: 'capacity-rules', kind: 'capacity_rule', title: 'setup.capacityRules', one: 'setup.capacityRule', add: 'setup.capacityRules.add', id: 'name', idLabel: 'setup.name', key: '7', columns: [{ label: 'setup.capacityRule.voice', path: 'media.voice' }] },
  { path: 'transactions', kind: 'transaction', title: 'setup.transactions', one: 'setup.transaction', add: 'setup.transactions.add', id: 'name', idLabel: 'setup.name', key: '8', columns: [{ label: 'setup.transaction.type', path: 'type', options: TRANSACTION_TYPES }] },
  { path: 'folders', kind: 'folder', title: 'setup.folders', one: 'setup.folder', add: 'setup.folders.add', id: 'path', idLabel: 'setup.folder.path', key: 'j', columns: [{ label: 'setup.folder.description', path: 'description' }] },
  { path: 'access-groups', kind: 'access_group', title: 'setup.accessGroups', one: 'setup.accessGroup', add: 'setup.accessGroups.add', id: 'name', idLabel: 'setup.name', key: 'z', columns: [] },
  { path: 'roles', kind: 'role', title: 'setup.roles', one: 'setup.role', add: 'setup.roles.add', id: 'name', idLabel: 'setup.name', key: 'w', columns: [{ label: 'setup.role.privileges', path: 'privileges' }] },
  { path: 'tenant', kind: 'tenant', title: 'setup.tenant', one: 'setup.tenant', add: 'setup.tenant', id: 'id', idLabel: 'setup.tenant', key: 'e', only: '-', columns: [] },
]

export function sectionAt(path: string): Section | undefined {
  return SECTIONS.find((section) => section.path === path)
}

/** What an object is called in titles and messages. */
export function titleOf({ only, title }: Section, id: string): string {
  return only === undefined ? id : t(title)
}

/** Where objects of a kind are edited. */
export function sectionOf(kind: string): Section | undefined {
  return SECTIONS.find((section) => section.kind === kind)
}

/** What of its documents a list shows; of people that is all that is changed of several at once. */
export function fieldsOf({ id, columns }: Section): readonly string[] {
  return [id, ...columns.map(({ path }) => path)]
}
