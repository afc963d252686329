/** The form of an object of each section. */

import type { Group } from './fields'
import { DIAL_RULE } from './kinds/dial-rule'
import { dnGroups } from './kinds/dn'
import { DN_TYPES, QUEUE_TYPES } from './kinds/options'
import { CALLING_LIST, CAMPAIGN, CAMPAIGN_GROUP, CAPACITY_RULE, DN_GROUP, IVR_PROFILE, TRANSACTION } from './kinds/further'
import { AGENT_GROUP, PLACE_GROUP } from './kinds/groups'
import { ACTION_CODE, BUSINESS_ATTRIBUTE, LIST } from './kinds/lookup'
import { APPLICATION, CLIENT, FEATURE_CODE, NUMBER, PLACE, PROMPT, SCHEDULE, SKILL } from './kinds/others'
import { ACCESS_GROUP, ANNEX, FOLDER, OWN_PROPERTIES, ROLE } from './kinds/permissions'
import { PERSON } from './kinds/person'
import { STATISTIC_DEFINITION } from './kinds/statistics'
import { AGENT_LOGIN, SWITCH } from './kinds/switches'
import { TENANT } from './kinds/tenant'
import { TRUNK, TRUNK_GROUP } from './kinds/trunk'
import { sectionOf, type Section } from './sections'

const FORMS: Readonly<Record<string, readonly Group[]>> = {
  people: PERSON,
  skills: SKILL,
  places: PLACE,
  dns: dnGroups(DN_TYPES),
  numbers: NUMBER,
  queues: dnGroups(DN_TYPES.filter(([type]) => QUEUE_TYPES.some((queue) => queue === type))),
  applications: APPLICATION,
  prompts: PROMPT,
  trunks: TRUNK,
  'trunk-groups': TRUNK_GROUP,
  hours: SCHEDULE,
  'feature-codes': FEATURE_CODE,
  'dial-rules': DIAL_RULE,
  clients: CLIENT,
  tenant: TENANT,
  'agent-groups': AGENT_GROUP,
  'place-groups': PLACE_GROUP,
  'action-codes': ACTION_CODE,
  lists: LIST,
  'business-attributes': BUSINESS_ATTRIBUTE,
  'dn-groups': DN_GROUP,
  'calling-lists': CALLING_LIST,
  campaigns: CAMPAIGN,
  'campaign-groups': CAMPAIGN_GROUP,
  'ivr-profiles': IVR_PROFILE,
  'statistic-definitions': STATISTIC_DEFINITION,
  'capacity-rules': CAPACITY_RULE,
  transactions: TRANSACTION,
  switches: SWITCH,
  'agent-logins': AGENT_LOGIN,
  'access-groups': ACCESS_GROUP,
  roles: ROLE,
  folders: FOLDER,
}

/** Sections whose objects are in no folder of their own. */
const WITHOUT_FOLDER = ['tenant', 'folders']

export function formOf({ path }: Pick<Section, 'path'>): readonly Group[] {
  const form = FORMS[path]
  return form === undefined ? [] : [...form, WITHOUT_FOLDER.includes(path) ? OWN_PROPERTIES : ANNEX]
}

/** Empty for a kind that is not edited here. */
export function formOfKind(kind: string): readonly Group[] {
  const section = sectionOf(kind)
  return section === undefined ? [] : formOf(section)
}
