/** The lines of the drawing: from which side of a part each leaves, and along which curve. Pure. */

import type { Box, Party } from './layout'

export type Line = { readonly id: string; readonly path: string; readonly middle: { readonly x: number; readonly y: number } }

type Side = 'left' | 'right' | 'top' | 'bottom'
type End = { readonly id: string; readonly party: Party; readonly side: Side; readonly towards: number; readonly isFrom: boolean }
type Point = { readonly x: number; readonly y: number }

export type Edge = { readonly id: string; readonly from: string; readonly to: string }

export function linesFor(edges: readonly Edge[], parties: readonly Party[]): readonly Line[] {
  const byName = new Map(parties.map((party) => [party.name, party]))
  const drawn = edges.flatMap((edge) => {
    const from = byName.get(edge.from)
    const to = byName.get(edge.to)
    return from === undefined || to === undefined || from === to ? [] : [{ id: edge.id, from, to }]
  })
  const points = spread(drawn.flatMap((edge) => endsOf(edge.id, edge.from, edge.to)))
  return drawn.flatMap((edge) => {
    const a = points.get(`${edge.id} from`)
    const b = points.get(`${edge.id} to`)
    return a === undefined || b === undefined ? [] : [{ id: edge.id, ...curve(a, b) }]
  })
}

function centre(box: Box): Point {
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}

function endsOf(id: string, from: Party, to: Party): readonly End[] {
  const a = centre(from)
  const b = centre(to)
  // Boxes are wide, so lines leave at their long sides unless the other end is well beside them.
  const mayBeside = from.sides === 'all' && to.sides === 'all'
  const isBeside = mayBeside && Math.abs(b.x - a.x) > Math.abs(b.y - a.y) * 1.1
  const [sideA, sideB]: readonly [Side, Side] = isBeside
    ? b.x > a.x ? ['right', 'left'] : ['left', 'right']
    : b.y > a.y ? ['bottom', 'top'] : ['top', 'bottom']
  return [
    { id, party: from, side: sideA, towards: isBeside ? b.y : b.x, isFrom: true },
    { id, party: to, side: sideB, towards: isBeside ? a.y : a.x, isFrom: false },
  ]
}

type Anchor = Point & { readonly side: Side }

/** Lines at one side stand apart, in the order of where they lead. */
function spread(ends: readonly End[]): ReadonlyMap<string, Anchor> {
  const sides = new Map<string, End[]>()
  for (const end of ends) {
    const key = `${end.party.name} ${end.side}`
    const others = sides.get(key)
    if (others === undefined) sides.set(key, [end])
    else others.push(end)
  }
  const anchors = new Map<string, Anchor>()
  for (const side of sides.values()) {
    side.sort((a, b) => a.towards - b.towards)
    side.forEach((end, index) => anchors.set(`${end.id} ${end.isFrom ? 'from' : 'to'}`, anchorAt(end, (index + 1) / (side.length + 1))))
  }
  return anchors
}

function anchorAt({ party, side }: End, share: number): Anchor {
  switch (side) {
    case 'left':
      return { side, x: party.x, y: party.y + party.height * share }
    case 'right':
      return { side, x: party.x + party.width, y: party.y + party.height * share }
    case 'top':
      return { side, x: party.x + party.width * share, y: party.y }
    case 'bottom':
      return { side, x: party.x + party.width * share, y: party.y + party.height }
  }
}

function curve(a: Anchor, b: Anchor): Omit<Line, 'id'> {
  const reach = Math.max(18, Math.hypot(b.x - a.x, b.y - a.y) * 0.36)
  const c = pulled(a, reach)
  const d = pulled(b, reach)
  return {
    path: `M${at(a)}C${at(c)} ${at(d)} ${at(b)}`,
    middle: { x: (a.x + 3 * c.x + 3 * d.x + b.x) / 8, y: (a.y + 3 * c.y + 3 * d.y + b.y) / 8 },
  }
}

function pulled({ x, y, side }: Anchor, reach: number): Point {
  switch (side) {
    case 'left':
      return { x: x - reach, y }
    case 'right':
      return { x: x + reach, y }
    case 'top':
      return { x, y: y - reach }
    case 'bottom':
      return { x, y: y + reach }
  }
}

function at({ x, y }: Point): string {
  return `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`
}
