/** The rules of the server in the language of who looks. It says them in English and without a code; one that is not known here stays as it is. */

import { t } from '../../lib/i18n'
import { nameOfObject } from './words'

type Said = (parts: readonly string[]) => string

const KINDS = 'skill|DN|place|prompt|application|schedule|trunk'

const KNOWN: readonly (readonly [RegExp, Said])[] = [
  [/^it is needed$/, () => t('setup.fault.needed')],
  [/^it is empty$/, () => t('setup.fault.needed')],
  [new RegExp(`^there is no (${KINDS}) (.+)$`), ([kind = '', id = '']) => t('setup.rule.unknown', { object: nameOfObject(kind.toLowerCase(), id) })],
  [/^there is no time zone "(.+?)"/, ([zone = '']) => t('setup.rule.timeZone', { zone })],
  [/^(.+) has the (?:id|login code|place) (.+) already$/, ([other = '', value = '']) => t('setup.rule.held', { other, value })],
  [/^the trunk (.+) has it already$/, ([other = '']) => t('setup.rule.heldBy', { other })],
  [/^the DN (.+) is in place (.+) already$/, ([dn = '', place = '']) => t('setup.rule.inPlace', { dn, place })],
  [/^the DN (.+) stands there twice$/, ([dn = '']) => t('setup.rule.twice', { dn })],
  [/^there is a DN of that number$/, () => t('setup.rule.isDn')],
  [/^it leads in a circle: (.+)$/, ([way = '']) => t('setup.rule.circle', { way })],
  [/^a trunk with `.+` needs it$/, () => t('setup.rule.together')],
  [/^it has fewer than ([0-9]+) characters$/, ([least = '']) => t('setup.fault.short', { least })],
  [/^it is the user name$/, () => t('setup.rule.userName')],
  [/^it is one of the passwords that are guessed first$/, () => t('setup.rule.guessed')],
  [/^a PIN that is typed at a phone has 1 to ([0-9]+) digits and nothing else$/, ([most = '']) => t('setup.rule.pin', { most })],
]

export function wordsOfRule(rule: string): string {
  for (const [pattern, said] of KNOWN) {
    const found = pattern.exec(rule)
    if (found !== null) return said(found.slice(1))
  }
  return rule
}
