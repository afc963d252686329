import type { Group, Options } from '../fields'
import { LOCATION } from './location'
import { NO_ANSWER, PRIVILEGES } from './options'

const PIN_RULES: Options = [
  ['optional', 'setup.tenant.pinOptional'],
  ['required', 'setup.tenant.pinRequired'],
]

const PERSON_FIELDS: Options = [
  ['email', 'setup.upstream.personEmail'],
  ['user_name', 'setup.upstream.personUserName'],
]

/** An hour, as after-call work lasts at most. */
const REST_MAX = 3_600
const DAY_MIN = 1_440
const WORK_MAX = 86_400

/** What holds for the tenant as a whole. */
export const TENANT: readonly Group[] = [
  {
    title: 'setup.tenant.what',
    fields: [
      { kind: 'text', path: 'id', label: 'setup.tenant.id', hint: 'setup.tenant.idHint', required: true, fixed: true },
      { kind: 'text', path: 'name', label: 'setup.name', required: true },
      { kind: 'text', path: 'realm', label: 'setup.tenant.realm', hint: 'setup.tenant.realmHint', required: true },
      { kind: 'text', path: 'time_zone', label: 'setup.tenant.timeZone', hint: 'setup.tenant.timeZoneHint' },
    ],
  },
  {
    title: 'setup.tenant.calls',
    fields: [
      { kind: 'whole', path: 'no_answer_s', label: 'setup.dn.noAnswerTime', hint: 'setup.tenant.noAnswerTimeHint', min: 1, max: 600, unit: 'setup.seconds', required: true },
      { kind: 'whole', path: 'wrap_up_s', label: 'setup.wrapUp', hint: 'setup.tenant.wrapUpHint', min: 0, max: REST_MAX, unit: 'setup.seconds', required: true },
      { kind: 'whole', path: 'outgoing_max', label: 'setup.dn.outgoingMax', hint: 'setup.tenant.outgoingMaxHint', min: 0, max: 100_000 },
      { kind: 'lines', path: 'codecs', label: 'setup.tenant.codecs', hint: 'setup.tenant.codecsHint', required: true },
    ],
  },
  {
    title: 'setup.tenant.prompts',
    fields: [
      { kind: 'reference', of: 'prompt', path: 'hold_music', label: 'setup.tenant.holdMusic', required: true },
      { kind: 'reference', of: 'prompt', path: 'confirmation_prompt', label: 'setup.tenant.confirmation', hint: 'setup.tenant.promptHint' },
      { kind: 'reference', of: 'prompt', path: 'refusal_prompt', label: 'setup.tenant.refusal', hint: 'setup.tenant.promptHint' },
    ],
  },
  {
    title: 'setup.tenant.prefixes',
    fields: [
      { kind: 'text', path: 'country_prefix', label: 'setup.tenant.countryPrefix', hint: 'setup.tenant.countryPrefixHint' },
      { kind: 'text', path: 'national_prefix', label: 'setup.tenant.nationalPrefix', hint: 'setup.tenant.nationalPrefixHint' },
      { kind: 'text', path: 'international_prefix', label: 'setup.tenant.internationalPrefix', hint: 'setup.tenant.internationalPrefixHint' },
    ],
  },
  {
    title: 'setup.tenant.agents',
    isFurther: true,
    fields: [
      { kind: 'choice', path: 'agents.no_answer_action', label: 'setup.noAnswer', options: NO_ANSWER, initial: 'not_ready', required: true },
      { kind: 'whole', path: 'agents.legal_guard_s', label: 'setup.legalGuard', hint: 'setup.tenant.legalGuardHint', min: 0, max: REST_MAX, unit: 'setup.seconds', required: true },
      { kind: 'flag', path: 'agents.logout_on_out_of_service', label: 'setup.tenant.outOfService' },
      { kind: 'whole', path: 'agents.auto_logout_min', label: 'setup.tenant.autoLogout', hint: 'setup.tenant.autoLogoutHint', min: 0, max: DAY_MIN, required: true },
      { kind: 'flag', path: 'agents.auto_logout_ready', label: 'setup.tenant.autoLogoutReady' },
      { kind: 'whole', path: 'agents.untimed_wrap_up_s', label: 'setup.tenant.untimed', min: 0, max: WORK_MAX, unit: 'setup.seconds', required: true },
      { kind: 'flag', path: 'agents.timed_acw_in_idle', label: 'setup.tenant.timedIdle', initial: true },
      { kind: 'flag', path: 'agents.acw_in_idle_force_ready', label: 'setup.tenant.forceReady', initial: true },
      { kind: 'choice', path: 'agents.login_password', label: 'setup.tenant.pin', options: PIN_RULES, initial: 'optional', required: true },
      { kind: 'flag', path: 'agents.strict_action_codes', label: 'setup.tenant.strictReasons', hint: 'setup.tenant.strictReasonsHint' },
    ],
  },
  {
    title: 'setup.tenant.signIn',
    fields: [
      { kind: 'many', path: 'require_second_factor', label: 'setup.tenant.secondFactor', hint: 'setup.tenant.secondFactorHint', options: PRIVILEGES },
      { kind: 'flag', path: 'sign_in.passkeys_need_password', label: 'setup.tenant.passkeys', hint: 'setup.tenant.passkeysHint' },
      { kind: 'flag', path: 'sign_in.published_grants', label: 'setup.tenant.publishedGrants', hint: 'setup.tenant.publishedGrantsHint', initial: true },
      { kind: 'lines', path: 'sign_in.hosts', label: 'setup.tenant.hosts', hint: 'setup.tenant.hostsHint' },
      { kind: 'lines', path: 'sign_in.addresses', label: 'setup.tenant.addresses', hint: 'setup.tenant.addressesHint' },
      { kind: 'flag', path: 'sign_in.addresses_only', label: 'setup.tenant.addressesOnly', hint: 'setup.tenant.addressesOnlyHint' },
    ],
  },
  {
    title: 'setup.upstream',
    isFurther: true,
    within: { path: 'sign_in.upstream', by: 'setup.upstream.has' },
    fields: [
      { kind: 'text', path: 'sign_in.upstream.name', label: 'setup.upstream.name', hint: 'setup.upstream.nameHint', required: true },
      { kind: 'text', path: 'sign_in.upstream.issuer', label: 'setup.upstream.issuer', hint: 'setup.upstream.issuerHint', required: true },
      { kind: 'text', path: 'sign_in.upstream.client_id', label: 'setup.upstream.clientId', required: true },
      { kind: 'secret', path: 'sign_in.upstream.client_secret', label: 'setup.upstream.clientSecret', hint: 'setup.upstream.clientSecretHint' },
      { kind: 'lines', path: 'sign_in.upstream.scopes', label: 'setup.upstream.scopes', hint: 'setup.upstream.scopesHint' },
      { kind: 'choice', path: 'sign_in.upstream.person', label: 'setup.upstream.person', options: PERSON_FIELDS, initial: 'email', required: true },
      { kind: 'text', path: 'sign_in.upstream.claim', label: 'setup.upstream.claim', hint: 'setup.upstream.claimHint' },
      { kind: 'flag', path: 'sign_in.upstream.only', label: 'setup.upstream.only', hint: 'setup.upstream.onlyHint' },
      { kind: 'flag', path: 'sign_in.upstream.trusted_factor', label: 'setup.upstream.trustedFactor', hint: 'setup.upstream.trustedFactorHint' },
    ],
  },
  LOCATION,
]
