import type { Group } from '../fields'
import { ENCRYPTION } from './options'

/** Calls a second, priorities and weights. */
const MANY = 100_000
const PLACES = 65_535

export const TRUNK: readonly Group[] = [
  {
    title: 'setup.trunk.what',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'text', path: 'contact', label: 'setup.trunk.contact', hint: 'setup.trunk.contactHint' },
      { kind: 'text', path: 'prefix', label: 'setup.trunk.prefix', hint: 'setup.trunk.prefixHint' },
      { kind: 'text', path: 'caller_id', label: 'setup.trunk.callerId', hint: 'setup.trunk.callerIdHint' },
      { kind: 'flag', path: 'drain', label: 'setup.trunk.drain' },
    ],
  },
  {
    title: 'setup.trunk.incoming',
    fields: [
      { kind: 'lines', path: 'allow', label: 'setup.trunk.allow', hint: 'setup.trunk.allowHint' },
      { kind: 'lines', path: 'certificate_names', label: 'setup.trunk.certificateNames', hint: 'setup.onePerLine' },
      { kind: 'text', path: 'inbound_user', label: 'setup.trunk.inboundUser' },
      { kind: 'secret', path: 'inbound_password', label: 'setup.trunk.inboundPassword' },
    ],
  },
  {
    title: 'setup.trunk.account',
    fields: [
      { kind: 'text', path: 'user', label: 'setup.trunk.user' },
      { kind: 'secret', path: 'password', label: 'setup.trunk.password' },
      { kind: 'text', path: 'auth_user', label: 'setup.trunk.authUser', hint: 'setup.trunk.authUserHint' },
      { kind: 'text', path: 'domain', label: 'setup.trunk.domain' },
      { kind: 'flag', path: 'register', label: 'setup.trunk.register' },
      { kind: 'flag', path: 'options', label: 'setup.trunk.options' },
    ],
  },
  {
    title: 'setup.trunk.limits',
    isFurther: true,
    fields: [
      { kind: 'whole', path: 'calls_max', label: 'setup.trunk.callsMax', min: 0, max: MANY },
      { kind: 'whole', path: 'calls_per_second', label: 'setup.trunk.callsPerSecond', min: 0, max: MANY },
      { kind: 'whole', path: 'priority', label: 'setup.trunk.priority', hint: 'setup.trunk.priorityHint', min: 0, max: PLACES },
      { kind: 'whole', path: 'weight', label: 'setup.trunk.weight', min: 0, max: PLACES },
      { kind: 'whole', path: 'try_s', label: 'setup.trunk.try', min: 1, max: 60, unit: 'setup.seconds' },
      { kind: 'whole', path: 'session_expires_s', label: 'setup.trunk.sessionExpires', min: 90, max: 86_400, unit: 'setup.seconds' },
      { kind: 'flag', path: 'reliable', label: 'setup.trunk.reliable', hint: 'setup.trunk.reliableHint', initial: true, orNothing: true },
    ],
  },
  {
    title: 'setup.trunk.media',
    isFurther: true,
    fields: [
      { kind: 'lines', path: 'codecs', label: 'setup.trunk.codecs', hint: 'setup.trunk.codecsHint' },
      { kind: 'choice', path: 'dtmf', label: 'setup.trunk.dtmf', options: [['events', 'setup.trunk.dtmfEvents'], ['info', 'setup.trunk.dtmfInfo'], ['tones', 'setup.trunk.dtmfTones']] },
      { kind: 'choice', path: 'encryption', label: 'setup.encryption', options: ENCRYPTION, initial: 'off', required: true },
      { kind: 'flag', path: 'early_speech', label: 'setup.trunk.earlySpeech' },
      { kind: 'flag', path: 'direct_media', label: 'setup.directMedia' },
    ],
  },
  {
    title: 'setup.trunk.told',
    isFurther: true,
    fields: [
      { kind: 'flag', path: 'asserts_identity', label: 'setup.trunk.assertsIdentity' },
      { kind: 'flag', path: 'user_to_user', label: 'setup.trunk.userToUser' },
      { kind: 'flag', path: 'location', label: 'setup.trunk.location' },
      {
        kind: 'choice',
        path: 'diversion',
        label: 'setup.trunk.diversion',
        options: [['none', 'setup.trunk.diversionNone'], ['diversion', 'setup.trunk.diversionHeader'], ['history-info', 'setup.trunk.diversionHistory'], ['both', 'setup.trunk.diversionBoth']],
        initial: 'diversion',
        required: true,
      },
      {
        kind: 'rows',
        path: 'headers',
        label: 'setup.trunk.headers',
        add: 'setup.trunk.addHeader',
        columns: [
          { kind: 'choice', name: 'on', label: 'setup.trunk.headerOn', options: [['sent', 'setup.trunk.headerSent'], ['received', 'setup.trunk.headerReceived']] },
          { kind: 'choice', name: 'action', label: 'setup.trunk.headerAction', options: [['add', 'setup.trunk.headerAdd'], ['set', 'setup.trunk.headerSet'], ['remove', 'setup.trunk.headerRemove'], ['rewrite', 'setup.trunk.headerRewrite']] },
          { kind: 'text', name: 'header', label: 'setup.trunk.header' },
          { kind: 'text', name: 'value', label: 'setup.trunk.headerValue' },
          { kind: 'text', name: 'pattern', label: 'setup.trunk.headerPattern' },
          { kind: 'text', name: 'replace', label: 'setup.trunk.headerReplace' },
        ],
      },
    ],
  },
  {
    title: 'setup.trunk.stir',
    isFurther: true,
    fields: [
      { kind: 'choice', path: 'stir.verify', label: 'setup.trunk.stirVerify', options: [['off', 'setup.trunk.stirOff'], ['report', 'setup.trunk.stirReport'], ['require', 'setup.trunk.stirRequire']], initial: 'off', required: true },
      { kind: 'document', path: 'stir.authorities', label: 'setup.trunk.stirAuthorities' },
    ],
  },
  {
    title: 'setup.trunk.stirSign',
    isFurther: true,
    within: { path: 'stir.sign', by: 'setup.trunk.stirSigns' },
    fields: [
      { kind: 'text', path: 'stir.sign.certificate_url', label: 'setup.trunk.stirUrl', required: true },
      { kind: 'secret', path: 'stir.sign.private_key', label: 'setup.trunk.stirKey' },
      { kind: 'document', path: 'stir.sign.certificate', label: 'setup.trunk.stirCertificate' },
    ],
  },
]

const ORDER_MAX = 1_000
const GROUP_WEIGHT_MAX = 1_000

/** Trunks that take the calls to some numbers together. */
export const TRUNK_GROUP: readonly Group[] = [
  {
    title: 'setup.trunkGroup',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'text', path: 'prefix', label: 'setup.trunk.prefix', hint: 'setup.trunkGroup.prefixHint', required: true },
      {
        kind: 'rows',
        path: 'members',
        label: 'setup.trunks',
        hint: 'setup.trunkGroup.membersHint',
        add: 'setup.trunkGroup.addMember',
        columns: [
          { kind: 'reference', name: 'trunk', label: 'setup.trunk', of: 'trunk' },
          { kind: 'whole', name: 'order', label: 'setup.trunkGroup.order', min: 0, max: ORDER_MAX, initial: '0' },
          { kind: 'whole', name: 'weight', label: 'setup.weight', min: 0, max: GROUP_WEIGHT_MAX, initial: '1' },
        ],
      },
    ],
  },
]
