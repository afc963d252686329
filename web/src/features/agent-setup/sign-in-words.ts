/** What has happened at signing in, in words. A name of a later release stays as it is. */

import type { SignIn } from '../../api/sign-ins'
import { t, type PlainText } from '../../lib/i18n'

export const EVENTS: Readonly<Record<string, PlainText>> = {
  signed_in: 'setup.signIns.event.signedIn',
  refused: 'setup.signIns.event.refused',
  locked_out: 'setup.signIns.event.lockedOut',
  password_changed: 'setup.signIns.event.passwordChanged',
  second_factor_set: 'setup.signIns.event.secondFactorSet',
  second_factor_removed: 'setup.signIns.event.secondFactorRemoved',
  session_ended: 'setup.signIns.event.sessionEnded',
  signed_out: 'setup.signIns.event.signedOut',
  revoked: 'setup.signIns.event.revoked',
  token_family_reused: 'setup.signIns.event.tokenFamilyReused',
  client_token: 'setup.signIns.event.clientToken',
  api_key_created: 'setup.signIns.event.apiKeyCreated',
  api_key_used: 'setup.signIns.event.apiKeyUsed',
  api_key_revoked: 'setup.signIns.event.apiKeyRevoked',
  passkey_copied: 'setup.signIns.event.passkeyCopied',
  key_rotated: 'setup.signIns.event.keyRotated',
}

export const WAYS: Readonly<Record<string, PlainText>> = {
  password: 'setup.signIns.way.password',
  second_factor: 'setup.signIns.way.secondFactor',
  recovery_code: 'setup.signIns.way.recoveryCode',
  provider: 'setup.signIns.way.provider',
  device_code: 'setup.signIns.way.deviceCode',
  jwt_bearer: 'setup.signIns.way.jwtBearer',
  client_secret: 'setup.signIns.way.clientSecret',
  client_assertion: 'setup.signIns.way.clientAssertion',
  authorization_code: 'setup.signIns.way.authorizationCode',
  refresh_token: 'setup.signIns.way.refreshToken',
  access_token: 'setup.signIns.way.accessToken',
  everywhere: 'setup.signIns.way.everywhere',
  api_key: 'setup.signIns.way.apiKey',
  passkey_alone: 'setup.signIns.way.passkeyAlone',
  passkey: 'setup.signIns.way.passkey',
}

function named(names: Readonly<Record<string, PlainText>>, name: string): string {
  const words = Object.hasOwn(names, name) ? names[name] : undefined
  return words === undefined ? name.replaceAll('_', ' ') : t(words)
}

export const wordsOfEvent = (event: string): string => named(EVENTS, event)

/** `Refused, by password, at reports, 3 times within a minute`. */
export function wordsOfSignIn({ event, way, client, times }: Pick<SignIn, 'event' | 'way' | 'client' | 'times'>): string {
  const parts = [wordsOfEvent(event), way === '' ? '' : named(WAYS, way), client === '' ? '' : t('setup.signIns.client', { client }), times > 1 ? t('setup.signIns.times', { count: times }) : '']
  return parts.filter((part) => part !== '').join(', ')
}

// === times ===

/** What an input for date and time shows for a time of RFC 3339, in the browser's time zone; empty for none. */
export function localOf(time: string): string {
  const at = Date.parse(time)
  if (Number.isNaN(at)) return ''
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = new Date(at)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`
}

/** `Europe/Berlin`: the zone of which the times are that the page shows and asks for. */
export function zoneOfBrowser(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** The time that such an input says; empty for none. */
export function timeOf(local: string): string {
  const at = Date.parse(local)
  return Number.isNaN(at) ? '' : new Date(at).toISOString().replace('.000Z', 'Z')
}
