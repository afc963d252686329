/** The rules of the server in the language of who looks, by their codes. One without a code that is known here is said as the server says it. */

import type { Fault } from '../../api/agent-setup'
import { t, type PlainText } from '../../lib/i18n'
import { nameOfField } from './field-names'
import type { Options } from './fields'
import { DN_TYPES, GRANTS, PRIVILEGES } from './kinds/options'
import { RIGHTS } from './kinds/permissions'
import { nameOfObject } from './words'

type Code = Fault['code']
export type BrokenRule = Pick<Fault, 'rule' | 'code' | 'values'>

/** What a rule names, and the kind of the object that breaks it. */
type Named = { readonly value: (name: string) => string; readonly kind: string }
type Said = (named: Named) => string

const plain = (text: PlainText): Said => () => t(text)

const TYPES: Readonly<Record<string, PlainText>> = {
  text: 'setup.rule.wrongType.text',
  number: 'setup.rule.wrongType.number',
  flag: 'setup.rule.wrongType.flag',
  list: 'setup.rule.wrongType.list',
  map: 'setup.rule.wrongType.map',
}

const objectIn = ({ value }: Named): string => nameOfObject(value('kind'), value('id'))
/** The other field that a rule names, as the form calls it. */
const fieldIn = ({ value, kind }: Named): string => nameOfField(kind, value('field'))

/** What people call one of the names that a field may hold. */
function wordsOf(options: Options, name: string): string {
  const words = options.find(([known]) => known === name)?.[1]
  return words === undefined ? name : t(words)
}

/** Whose it is to do that: of a folder, of somebody with a privilege, or of who administers the whole tenant. */
function permissionIn({ value }: Named): string {
  const [right, folder] = [value('right'), value('folder')]
  if (folder !== '') return t('setup.rule.notPermittedIn', { right: wordsOf(RIGHTS, right), folder })
  if (right === '') return t('setup.rule.notPermittedTenant')
  if (PRIVILEGES.some(([name]) => name === right)) return t('setup.rule.notPermittedBut', { privilege: wordsOf(PRIVILEGES, right) })
  return t(right === 'read' ? 'setup.rule.notPermittedName' : 'setup.rule.notPermitted')
}

const WORDS: Readonly<Record<Exclude<Code, 'other'>, Said>> = {
  // Of any field.
  needed: plain('setup.fault.needed'),
  needed_with: (named) => t('setup.rule.neededWith', { field: fieldIn(named) }),
  needed_or: (named) => t('setup.rule.neededOr', { field: fieldIn(named) }),
  only_with: (named) => t('setup.rule.onlyWith', { field: fieldIn(named) }),
  only_without: (named) => t('setup.rule.onlyWithout', { field: fieldIn(named) }),
  wrong_type: ({ value }) => t(TYPES[value('wanted')] ?? 'setup.rule.wrongType'),
  one_of: ({ value }) => t('setup.rule.oneOf', { names: value('names') }),
  out_of_range: ({ value }) => t('setup.rule.outOfRange', { least: value('least'), most: value('most') }),
  too_short: ({ value }) => t('setup.rule.tooShort', { least: value('least') }),
  too_long: ({ value }) => t('setup.rule.tooLong', { most: value('most') }),
  too_many: ({ value }) => t('setup.rule.tooMany', { most: value('most') }),
  too_large: ({ value }) => t('setup.rule.tooLarge', { most: value('most') }),
  control_character: plain('setup.rule.controlCharacter'),
  twice: ({ value }) => (value('name') === '' ? t('setup.rule.twiceItself') : t('setup.rule.twice', { name: value('name') })),
  unknown_field: plain('setup.rule.unknownField'),
  not_json: plain('setup.rule.notJson'),

  // Between objects.
  unknown: (named) => t('setup.rule.unknown', { object: objectIn(named) }),
  held: ({ value }) => t('setup.rule.held', { other: nameOfObject(value('kind'), value('by')), value: value('value') }),
  same_account: ({ value }) => t('setup.rule.sameAccount', { trunk: value('trunk') }),
  circle: ({ value }) => t('setup.rule.circle', { way: value('way') }),
  is_dn: plain('setup.rule.isDn'),
  own_number: (named) => t('setup.rule.ownNumber', { object: objectIn(named) }),
  no_way_out: plain('setup.rule.noWayOut'),

  // Names, and the object as a whole.
  name_taken: plain('setup.rule.nameTaken'),
  unseen_character: plain('setup.rule.unseenCharacter'),
  not_nfkc: plain('setup.rule.notNfkc'),
  no_object: plain('setup.rule.noObject'),
  name_of_groups: ({ value }) => t('setup.rule.nameOfGroups', { prefix: value('prefix') }),
  quotation_mark: plain('setup.rule.quotationMark'),
  skill_expression: ({ value }) => t('setup.rule.skillExpression', { why: value('why') }),
  list_key: ({ value }) => t('setup.rule.listKey', { key: value('key'), most: value('most') }),
  not_renamed: ({ value }) => t('setup.rule.notRenamed', { id: value('id') }),
  not_changed: plain('setup.rule.notChanged'),
  not_deleted: plain('setup.rule.notDeleted'),
  section_full: ({ value }) => t('setup.rule.sectionFull', { most: value('most') }),
  stale: plain('setup.rule.stale'),
  many_passwords: ({ value }) => t('setup.rule.manyPasswords', { given: value('given'), most: value('most') }),

  // The tenant, prompts, feature codes.
  time_zone: ({ value }) => t('setup.rule.timeZone', { zone: value('name') }),
  tenant_id: plain('setup.rule.tenantId'),
  host_name: ({ value }) => t('setup.rule.hostName', { name: value('name') }),
  prompt_name: plain('setup.rule.promptName'),
  prompt_file: ({ value }) => t('setup.rule.promptFile', { file: value('file') }),
  pin_elsewhere: plain('setup.rule.pinElsewhere'),
  pin_digits: ({ value }) => t('setup.rule.pin', { most: value('most') }),

  // Trunks.
  network: ({ value }) => t('setup.rule.network', { value: value('value') }),
  everybody: ({ value }) => t('setup.rule.everybody', { value: value('value') }),
  contact_scheme: plain('setup.rule.contactScheme'),
  not_generated: plain('setup.rule.notGenerated'),
  header_rule: ({ value }) => t('setup.rule.headerRule', { why: value('why') }),
  certificate: ({ value }) => t('setup.rule.certificate', { why: value('why') }),

  // Locations, hours, dial rules.
  country: plain('setup.rule.country'),
  degrees: ({ value }) => t('setup.rule.degrees', { most: value('most') }),
  address: plain('setup.rule.address'),
  hours: ({ value }) => t('setup.rule.hours', { line: value('line') }),
  exception: ({ value }) => t('setup.rule.exception', { line: value('line') }),
  pattern: plain('setup.rule.pattern'),
  shown_number: plain('setup.rule.shownNumber'),
  dialled: plain('setup.rule.dialled'),

  // People, clients, the company's OpenID Provider.
  user_name: plain('setup.rule.userName'),
  guessed_password: plain('setup.rule.guessed'),
  same_password: plain('setup.rule.samePassword'),
  hash: plain('setup.rule.hash'),
  second_factor: plain('setup.rule.secondFactor'),
  grant_needs_secret: ({ value }) => t('setup.rule.grantNeedsSecret', { grant: wordsOf(GRANTS, value('grant')) }),
  grant_needs_keys: ({ value }) => t('setup.rule.grantNeedsKeys', { grant: wordsOf(GRANTS, value('grant')) }),
  client_key: ({ value }) => t('setup.rule.clientKey', { why: value('why') }),
  key_name: plain('setup.rule.keyName'),
  redirect_uri: ({ value }) => t('setup.rule.redirectUri', { uri: value('uri'), why: value('why') }),
  url: ({ value }) => t('setup.rule.url', { why: value('why') }),
  logout_needs_refresh: plain('setup.rule.logoutNeedsRefresh'),
  unknown_scope: ({ value }) => (value('near') === '' ? t('setup.rule.unknownScope', { scope: value('scope') }) : t('setup.rule.nearScope', { scope: value('scope'), near: value('near') })),
  scope_of_installation: ({ value }) => t('setup.rule.scopeOfInstallation', { scope: value('scope') }),
  scope_characters: ({ value }) => t('setup.rule.scopeCharacters', { scope: value('scope') }),
  no_openid: plain('setup.rule.noOpenid'),

  // What groups of DNs, campaigns and statistics need.
  dn_type: ({ value }) => t('setup.rule.dnType', { dn: value('id'), names: value('names').split(', ').map((name) => wordsOf(DN_TYPES, name)).join(', ') }),
  statistic: ({ value }) => t('setup.rule.statistic', { why: value('why') }),

  // Tables of people.
  unknown_column: ({ value }) => t('setup.rule.unknownColumn', { names: value('names') }),
  cells: ({ value }) => t('setup.rule.cells', { cells: value('cells'), head: value('head') }),
  needs_agent_id: plain('setup.rule.needsAgentId'),
  levels: ({ value }) => t('setup.rule.levels', { part: value('part') }),
  line_twice: ({ value }) => t('setup.rule.lineTwice', { line: value('line') }),
  not_utf8: plain('setup.rule.notUtf8'),
  quote: plain('setup.rule.quote'),

  // Folders, access groups, rights.
  not_permitted: permissionIn,
  folder_path: plain('setup.rule.folderPath'),
  built_in: ({ value }) => t('setup.rule.builtIn', { name: value('name') }),
  group_circle: ({ value }) => t('setup.rule.circle', { way: value('way') }),
  privilege_needs: ({ value }) => {
    const needs = value('needs').split(', ').map((name) => wordsOf(PRIVILEGES, name))
    return t('setup.rule.privilegeNeeds', { privilege: wordsOf(PRIVILEGES, value('privilege')), needs: needs.join('; ') })
  },
  last_administrator: plain('setup.rule.lastAdministrator'),
}

/** A fault with the object and the field that it is about. */
export function wordsOfFault(fault: Fault): string {
  const { kind, id, field } = fault
  return [nameOfObject(kind, id), nameOfField(kind, field), wordsOfRule(fault, kind)].filter((part) => part !== '').join(': ')
}

/** A rule in words; `kind` is that of the object that breaks it, by which its fields have their names. */
export function wordsOfRule({ rule, code, values }: BrokenRule, kind = ''): string {
  // A server of a later release may have a code that is not known here.
  const said: Said | undefined = code === 'other' ? undefined : WORDS[code]
  return said === undefined ? rule : said({ value: (name) => values[name] ?? '', kind })
}
