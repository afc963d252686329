/** What a desk shows, in words. */

import type { Call, Configuration, Dn } from '../../api/workspace-shapes'
import { language, t, type PlainText } from '../../lib/i18n'
import type { GlyphName } from '../../ui/state-glyphs'
import type { Trouble, Why } from './desk-state'
import { reasonOf } from './missed'

/** A state with the sign that stands beside its word. */
export type StateShown = { readonly glyph: GlyphName; readonly text: string }

export function stateOf({ state, workMode }: Dn): StateShown {
  if (state === 'Ready') return { glyph: 'ready', text: t('desk.state.ready') }
  if (state === 'LoggedOut') return { glyph: 'loggedOut', text: t('desk.state.loggedOut') }
  if (state === 'OutOfService') return { glyph: 'unknown', text: t('desk.state.outOfService') }
  if (workMode === 'AfterCallWork') return { glyph: 'afterCallWork', text: t('desk.state.afterCallWork') }
  if (workMode === 'LegalGuard') return { glyph: 'notReady', text: t('desk.state.rest') }
  return { glyph: 'notReady', text: t('desk.state.notReady') }
}

export const isAfterCall = (dn: Dn): boolean => dn.state === 'NotReady' && (dn.workMode === 'AfterCallWork' || dn.workMode === 'LegalGuard')

/** Reasons that the program gives by itself. */
const PROGRAM_REASONS: Readonly<Record<string, PlainText>> = {
  NoAnswer: 'desk.reason.noAnswer',
  Rejected: 'desk.reason.rejected',
  Unreachable: 'desk.reason.unreachable',
  OutOfService: 'desk.reason.outOfService',
}

/** Why an agent is not ready; empty where no reason is given. */
export function reasonWords(dn: Dn, configuration: Configuration | undefined): string {
  const code = reasonOf(dn)
  const known = PROGRAM_REASONS[code]
  if (known !== undefined) return t(known)
  const name = dn.reasons.find(({ key }) => key === 'ReasonName')?.value
  return name ?? configuration?.reasons.find((reason) => reason.code === code)?.name ?? code
}

const PHASES: Readonly<Record<Call['phase'], readonly [GlyphName, PlainText]>> = {
  Dialing: ['ringing', 'desk.phase.dialing'],
  Ringing: ['ringing', 'desk.phase.ringing'],
  Established: ['talking', 'desk.phase.established'],
  Held: ['notReady', 'desk.phase.held'],
  Released: ['loggedOut', 'desk.phase.released'],
  Completed: ['loggedOut', 'desk.phase.released'],
}

export function phaseOf(call: Call): StateShown {
  const [glyph, text] = PHASES[call.phase]
  return { glyph, text: t(text) }
}

const TYPES: Readonly<Record<string, PlainText>> = { Inbound: 'desk.type.inbound', Outbound: 'desk.type.outbound', Internal: 'desk.type.internal', Consult: 'desk.type.consult' }

/** What kind of call it is; empty where that says nothing. */
export function typeOf(call: Call): string {
  const known = TYPES[call.type]
  return known === undefined ? '' : t(known)
}

/** Who the other side is. */
export function whoOf(call: Call): string {
  return call.number === '' ? t('desk.call.unknownNumber') : call.number
}

/** The queue by which a call came, else the number that was dialled; empty where neither is known. */
export function queueOf(call: Call): string {
  return call.data.find(({ key }) => key === 'RVQName')?.value ?? (call.type === 'Inbound' ? call.dialled : '')
}

// === what does not work ===

/** Numbers that the switch gives, with what they mean to an agent. */
const ERRORS: Readonly<Record<number, readonly [PlainText, PlainText]>> = {
  53: ['desk.error.value', 'desk.advice.value'],
  56: ['desk.error.gone', 'desk.advice.gone'],
  57: ['desk.error.late', 'desk.advice.late'],
  58: ['desk.error.outOfService', 'desk.advice.phone'],
  59: ['desk.error.noDn', 'desk.advice.administrator'],
  71: ['desk.error.destination', 'desk.advice.destination'],
  93: ['desk.error.state', 'desk.advice.state'],
  96: ['desk.error.full', 'desk.advice.state'],
  97: ['desk.error.consults', 'desk.advice.consults'],
  98: ['desk.error.state', 'desk.advice.state'],
  119: ['desk.error.password', 'desk.advice.administrator'],
  231: ['desk.error.busy', 'desk.advice.busy'],
  232: ['desk.error.noAnswer', 'desk.advice.busy'],
  302: ['desk.error.digits', 'desk.advice.digits'],
  415: ['desk.error.destination', 'desk.advice.destination'],
  527: ['desk.error.elsewhere', 'desk.advice.elsewhere'],
}

const STATUSES: Readonly<Record<number, readonly [PlainText, PlainText]>> = {
  403: ['desk.error.forbidden', 'desk.advice.administrator'],
  404: ['desk.error.unknown', 'desk.advice.value'],
  409: ['desk.error.state', 'desk.advice.state'],
  488: ['desk.error.noAudio', 'desk.advice.microphone'],
  491: ['desk.error.notHeld', 'desk.advice.notHeld'],
  429: ['desk.error.tooMany', 'desk.advice.wait'],
  500: ['desk.error.gone', 'desk.advice.gone'],
  503: ['desk.error.away', 'desk.advice.wait'],
  504: ['desk.error.late', 'desk.advice.late'],
}

/** What happened, and what to do. */
export type TroubleWords = { readonly what: string; readonly advice: string }

export function wordsOf(why: Why): TroubleWords {
  switch (why.kind) {
    case 'unreachable':
      return { what: t('desk.error.unreachable'), advice: t('desk.advice.unreachable') }
    case 'signed-out':
      return { what: t('desk.error.signedOut'), advice: t('desk.advice.signIn') }
    case 'no-session':
      return { what: t('desk.error.noSession'), advice: t('desk.advice.again') }
    case 'refused':
      return told(STATUSES[why.status], why.why)
    case 'error':
      return told(ERRORS[why.code], why.why)
  }
}

/** In our words where we have some; what the server says stands behind them. */
function told(known: readonly [PlainText, PlainText] | undefined, said: string): TroubleWords {
  const [what, advice] = known ?? ['desk.error.other', 'desk.advice.other']
  return { what: said === '' ? t(what) : t('desk.error.said', { what: t(what), said }), advice: t(advice) }
}

/** What stands at the end of a sentence elsewhere, as one of its own. */
export const asSentence = (text: string): string => text.charAt(0).toLocaleUpperCase(language()) + text.slice(1)

export function troubleWords({ what, about, why }: Trouble): TroubleWords {
  let words = wordsOf(why)
  if (what === undefined) return { ...words, what: asSentence(words.what) }
  // Nobody knows whether it was done, and nothing does it again by itself.
  if (why.kind === 'unreachable') words = { ...words, advice: t('desk.advice.late') }
  const asked = about === '' ? t(`desk.op.${what}`) : `${t(`desk.op.${what}`)} (${about})`
  return { ...words, what: t('desk.trouble', { what: asked, why: words.what }) }
}
