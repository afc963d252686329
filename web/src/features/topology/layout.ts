/** Where the parts of the drawing stand, as in the published drawings. Pure data in the drawing's own units.
 *
 *  Not computed: the layered layout of elkjs 0.12 needs 5354 x 2413 units for the same parts with their 159 lines, eight times the area, so that
 *  nobody could read a name on a screen; and it is 480 kB of script. */

import type { Lane } from './routes'

export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number }
export type Party = Box & { readonly name: string; readonly kind: 'role' | 'group'; readonly sides: 'all' | 'topAndBottom' }
export type Group = Box & { readonly name: string; readonly title: string }

export const SIZE = { width: 1880, height: 868 }

const WIDTH = 152
const HEIGHT = 38
const PAD = 16
const TITLE = 34

type Area = {
  readonly name: string
  readonly title: string
  readonly x: number
  readonly y: number
  readonly columns: number
  readonly stepX: number
  readonly stepY: number
  readonly parties: readonly string[]
  /** A name under which the drawing means the whole area. */
  readonly as?: string
}

const AREAS: readonly Area[] = [
  { name: 'outside', title: 'Outside', x: 0, y: 0, columns: 1, stepX: 0, stepY: 108, parties: ['phone', 'sbc', 'internet', 'browser', 'client', 'operator', 'prometheus', 'external'] },
  {
    name: 'around', title: 'Around', x: 242, y: 0, columns: 1, stepX: 0, stepY: 62,
    parties: ['ingress', 'ingress-controller', 'auth', 'cx-contact', 'ges', 'bds', 'wfm-adapter', 'interaction-server', 'interaction-server-vq', 'digital-channels', 'ucs', 'iwd', 'telemetry'],
  },
  {
    name: 'Voice', title: 'Voice', as: 'voice', x: 484, y: 0, columns: 4, stepX: 186, stepY: 96,
    parties: ['sip-proxy', 'registrar', 'webrtc', 'media', 'sip-cluster', 'dialplan', 'voicemail', 'sip-vq', 'frontend', 'config', 'agent-state', 'call-state', 'rq', 'ors', 'designer'],
  },
  {
    name: 'GWS', title: 'GWS', as: 'gws', x: 484, y: 604, columns: 4, stepX: 186, stepY: 86,
    parties: ['gws-proxy', 'gws-workspace', 'gws-provisioning', 'agent-setup', 'gws-platform', 'gws-configuration', 'gws-voice', 'gws-interaction', 'gws-data-collector', 'gws-statistics', 'gws-setting', 'salesforce-adapter'],
  },
  { name: 'Tenant', title: 'Tenant', x: 1286, y: 150, columns: 1, stepX: 0, stepY: 80, parties: ['tenant'] },
  {
    name: 'Pulse', title: 'Pulse', x: 1510, y: 0, columns: 2, stepX: 176, stepY: 96,
    parties: ['pulse', 'pulse-dcu', 'pulse-permissions', 'pulse-lds', 'pulse-init', 'pulse-lds-vq', 'pulse-init-tenant'],
  },
  { name: 'every', title: 'In every process', x: 1286, y: 690, columns: 1, stepX: 0, stepY: 80, parties: ['every role'] },
  {
    name: 'infrastructure', title: 'Infrastructure', x: 484, y: 446, columns: 8, stepX: 172, stepY: 0,
    parties: ['redis', 'kafka', 'postgresql', 'object-storage', 'consul', 'elasticsearch', 'stdout', 'otlp collector'],
  },
]

export const GROUPS: readonly Group[] = AREAS.map((area) => {
  const rows = Math.ceil(area.parties.length / area.columns)
  return {
    name: area.as ?? area.name,
    title: area.title,
    x: area.x,
    y: area.y,
    width: (area.columns - 1) * area.stepX + WIDTH + 2 * PAD,
    height: (rows - 1) * area.stepY + HEIGHT + TITLE + PAD,
  }
})

/** Ways to the box of every process, which stands behind most others. */
export const LANES: readonly Lane[] = [
  { from: 'ingress', to: 'every role', x: 456, y: 566 },
  { from: 'operator', to: 'every role', x: 214, y: 575 },
  { from: 'prometheus', to: 'every role', x: 226, y: 585 },
]

const PLACED: readonly Party[] = AREAS.flatMap((area) => [
  ...area.parties.map((name, index): Party => ({
    name,
    kind: 'role',
    // Neighbours in a long row leave no room for lines between them.
    sides: area.name === 'infrastructure' ? 'topAndBottom' : 'all',
    x: area.x + PAD + (index % area.columns) * area.stepX,
    y: area.y + TITLE + Math.floor(index / area.columns) * area.stepY,
    width: WIDTH,
    height: HEIGHT,
  })),
])

/** Groups that connections name as a whole: the line ends at their frame. */
const FRAMES: readonly Party[] = AREAS.flatMap((area) => {
  const frame = GROUPS.find((group) => group.name === area.as)
  return frame === undefined ? [] : [{ ...frame, kind: 'group' as const, sides: 'all' as const }]
})

/** Every part of the drawing, and at its right edge those that it does not know. */
export function partiesFor(names: Iterable<string>): readonly Party[] {
  const known = new Set([...PLACED, ...FRAMES].map((party) => party.name))
  const strangers = [...new Set(names)].filter((name) => !known.has(name)).sort()
  const added = strangers.map((name, index): Party => ({ name, kind: 'role', sides: 'all', x: 1526, y: 640 + index * 56, width: WIDTH, height: HEIGHT }))
  return [...FRAMES, ...PLACED, ...added]
}
