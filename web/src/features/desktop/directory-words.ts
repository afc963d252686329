/** Who somebody is and whether they can talk now, in words. */

import type { Availability, AgentPresence, Target } from '../../api/workspace-targets'
import type { Configuration } from '../../api/workspace-shapes'
import { t, type PlainText } from '../../lib/i18n'
import type { GlyphName } from '../../ui/state-glyphs'

const STATES: Readonly<Record<AgentPresence['state'], readonly [GlyphName, PlainText]>> = {
  ready: ['ready', 'work.presence.ready'],
  notReady: ['notReady', 'work.presence.notReady'],
  afterCallWork: ['afterCallWork', 'work.presence.afterCallWork'],
  ringing: ['ringing', 'work.presence.ringing'],
  talking: ['talking', 'work.presence.talking'],
  onHold: ['talking', 'work.presence.onHold'],
  loggedOut: ['loggedOut', 'work.presence.loggedOut'],
  unknown: ['unknown', 'work.presence.unknown'],
}

export type PresenceShown = { readonly glyph: GlyphName; readonly text: string; readonly since: number | undefined }

/** What is known of a target now; undefined where nothing is. */
export function presenceOf(availability: Availability, configuration: Configuration | undefined): PresenceShown | undefined {
  switch (availability.kind) {
    case 'agent': {
      const { state, reason, since } = availability.presence
      const [glyph, text] = STATES[state]
      const why = state === 'notReady' && reason !== '' ? (configuration?.reasons.find(({ code }) => code === reason)?.name ?? reason) : ''
      return { glyph, text: why === '' ? t(text) : `${t(text)}, ${why}`, since: state === 'loggedOut' ? undefined : since }
    }
    case 'group':
      return { glyph: availability.ready > 0 ? 'ready' : 'notReady', text: t('work.presence.group', { ready: availability.ready }), since: undefined }
    case 'queue':
      return { glyph: 'ringing', text: t('work.presence.queue', { waiting: availability.waiting }), since: undefined }
    case 'unknown':
      return undefined
  }
}

const TYPES: Readonly<Record<Target['type'], PlainText>> = {
  agent: 'work.type.agent',
  'agent-group': 'work.type.group',
  'acd-queue': 'work.type.queue',
  'route-point': 'work.type.queue',
  skill: 'work.type.skill',
  'custom-contact': 'work.type.contact',
  contact: 'work.type.contact',
}

/** What it is, with its number; that alone where the name is the number. */
export function kindOf({ type, name, number, isContact }: Target): string {
  const kind = isContact === true ? t('work.type.kept') : t(TYPES[type])
  return number === '' || number === name ? kind : `${kind}, ${number}`
}
