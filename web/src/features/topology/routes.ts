/** The lines of the drawing: from which side of a part each leaves, and along which curve. Pure. */

import type { Box, Party } from './layout'

export type Line = { readonly id: string; readonly path: string; readonly middle: { readonly x: number; readonly y: number } }

type Side = 'left' | 'right' | 'top' | 'bottom'
type End = { readonly id: string; readonly party: Party; readonly side: Side; readonly towards: number; readonly isFrom: boolean }
type Point = { readonly x: number; readonly y: number }

/** A way around the boxes, for two parts between which most of the drawing stands: down or up beside the first one's
 *  column, along the gap between two rows of boxes, and from above or below into the other. */
export type Lane = { readonly from: string; readonly to: string; readonly x: number; readonly y: number }

export type Edge = { readonly id: string; readonly from: string; readonly to: string }

export function linesFor(edges: readonly Edge[], parties: readonly Party[], lanes: readonly Lane[] = []): readonly Line[] {
  const byName = new Map(parties.map((party) => [party.name, party]))
  const drawn = edges.flatMap((edge) => {
    const from = byName.get(edge.from)
    const to = byName.get(edge.to)
    const lane = lanes.find((one) => one.from === edge.from && one.to === edge.to)
    return from === undefined || to === undefined || from === to ? [] : [{ id: edge.id, from, to, lane }]
  })
  const points = spread(drawn.flatMap((edge) => (edge.lane === undefined ? endsOf(edge.id, edge.from, edge.to) : laneEnds(edge.id, edge.from, edge.to, edge.lane))))
  return drawn.flatMap((edge) => {
    const a = points.get(`${edge.id} from`)
    const b = points.get(`${edge.id} to`)
    if (a === undefined || b === undefined) return []
    return [{ id: edge.id, ...(edge.lane === undefined ? curve(a, b) : along(a, b, edge.lane)) }]
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

function laneEnds(id: string, from: Party, to: Party, lane: Lane): readonly End[] {
  const [sideA, sideB]: readonly [Side, Side] = [lane.x > from.x ? 'right' : 'left', lane.y < to.y ? 'top' : 'bottom']
  return [
    { id, party: from, side: sideA, towards: lane.y, isFrom: true },
    { id, party: to, side: sideB, towards: lane.x, isFrom: false },
  ]
}

/** Straight, with round corners. */
function along(a: Anchor, b: Anchor, { x, y }: Lane): Omit<Line, 'id'> {
  const r = 14
  const down = Math.sign(y - a.y) * r
  const on = Math.sign(b.x - x) * r
  const into = Math.sign(b.y - y) * r
  const path = [
    `M${at(a)}H${x - r}Q${at({ x, y: a.y })} ${at({ x, y: a.y + down })}`,
    `V${y - down}Q${at({ x, y })} ${at({ x: x + on, y })}`,
    `H${Math.round((b.x - on) * 10) / 10}Q${at({ x: b.x, y })} ${at({ x: b.x, y: y + into })}V${b.y}`,
  ].join('')
  return { path, middle: { x: (x + b.x) / 2, y } }
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
