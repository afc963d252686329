/** The messages that the Workspace API sends of its own accord. */

import { valuesIn, type StatisticValues } from './workspace-reporting'
import { callIn, configurationIn, dnIn, fieldOf, listOf, textOf, userIn, type Call, type Configuration, type Dn, type User } from './workspace-shapes'

export const CHANNELS = ['/workspace/v3/initialization', '/workspace/v3/voice', '/workspace/v3/reporting'] as const

export type DeskMessage =
  | { readonly kind: 'begun'; readonly user: User; readonly configuration: Configuration }
  | { readonly kind: 'not-begun'; readonly why: string }
  | { readonly kind: 'dn'; readonly dn: Dn }
  | { readonly kind: 'call'; readonly call: Call }
  /** An operation that was accepted has failed; `operation` is the id that it was given, or empty. */
  | { readonly kind: 'error'; readonly code: number; readonly why: string; readonly operation: string }
  | { readonly kind: 'voice'; readonly isThere: boolean }
  | { readonly kind: 'numbers'; readonly values: StatisticValues }

/** A message that came at that moment, from a server whose clock is so far ahead; nothing for one that says nothing to a desktop. */
export function messageIn(data: unknown, at: number, ahead = 0): DeskMessage | undefined {
  switch (textOf(data, 'messageType')) {
    case 'WorkspaceInitializationComplete': {
      if (textOf(data, 'state') !== 'Complete') return { kind: 'not-begun', why: whyIn(fieldOf(data, 'errors')) }
      const told = fieldOf(data, 'data')
      return { kind: 'begun', user: userIn(fieldOf(told, 'user')), configuration: configurationIn(fieldOf(told, 'configuration')) }
    }
    case 'DnStateChanged': {
      const dn = dnIn(fieldOf(data, 'dn'), at, ahead)
      return dn === undefined ? undefined : { kind: 'dn', dn }
    }
    case 'CallStateChanged': {
      const call = callIn(fieldOf(data, 'call'), at, ahead)
      return call === undefined ? undefined : { kind: 'call', call }
    }
    case 'EventError': {
      const error = fieldOf(data, 'error')
      return { kind: 'error', code: Number(textOf(error, 'errorCode')) || 0, why: textOf(error, 'errorMessage'), operation: textOf(data, 'operationId') }
    }
    case 'ServiceStateChanged':
      return textOf(data, 'serviceName') === 'VOICE' ? { kind: 'voice', isThere: textOf(data, 'serviceState') !== 'UNAVAILABLE' } : undefined
    case 'StatisticsChanged':
      return { kind: 'numbers', values: Object.assign({}, ...listOf(data, 'subscriptions').map(valuesIn)) }
    default:
      return undefined
  }
}

function whyIn(errors: unknown): string {
  return Array.isArray(errors) ? errors.map((error) => textOf(error, 'message') || textOf(error, 'value')).filter(Boolean).join(', ') : ''
}
