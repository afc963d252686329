/** How large the agents' tiles can be so that all of them fit on the wall. Pure. */

export type Density = 'card' | 'row' | 'chip' | 'dot'

export type Fit = {
  readonly density: Density
  readonly shown: 'all' | 'loggedIn'
  readonly columns: number
  readonly rows: number
  /** The size of a tile and its text against the plain one. */
  readonly scale: number
}

/** Width and height that a plain tile needs, with its gap, in pixels. Kept equal to AgentTile.module.css. */
const TILE: Readonly<Record<Density, { readonly width: number; readonly height: number }>> = {
  card: { width: 232, height: 82 },
  row: { width: 232, height: 46 },
  chip: { width: 136, height: 33 },
  dot: { width: 30, height: 30 },
}

const LARGEST_FIRST: readonly Density[] = ['card', 'row', 'chip', 'dot']
/** From the largest that looks well to the smallest that can be read from a desk. */
const SCALES: readonly number[] = [1.5, 1.4, 1.3, 1.2, 1.1, 1, 0.92, 0.86]

/** The gap between tiles, in pixels at scale 1. */
export const GAP = 6

export function heightOf(density: Density): number {
  return TILE[density].height - GAP
}

export function widthOf(density: Density): number {
  return TILE[density].width - GAP
}

/** How many plain tiles of a list stand beside each other; at least one. */
export function columnsOf(width: number): number {
  return Math.max(1, Math.floor((width + GAP) / TILE.row.width))
}

/** The largest tiles that hold everybody; before tiles turn into dots, those who are logged out go. */
export function fit(width: number, height: number, all: number, loggedIn: number): Fit {
  for (const density of LARGEST_FIRST) {
    const whole = largest(density, width, height, all)
    if (whole !== undefined) return { ...whole, shown: 'all' }
    const present = loggedIn > 0 ? largest(density, width, height, loggedIn) : undefined
    if (present !== undefined) return { ...present, shown: 'loggedIn' }
  }
  return { ...placed('dot', width, height, 1), shown: 'loggedIn' }
}

type Placed = Omit<Fit, 'shown'>

function largest(density: Density, width: number, height: number, wanted: number): Placed | undefined {
  for (const scale of SCALES) {
    const tried = placed(density, width, height, scale)
    if (tried.columns * tried.rows >= wanted) return tried
  }
  return undefined
}

function placed(density: Density, width: number, height: number, scale: number): Placed {
  const tile = TILE[density]
  const columns = Math.floor((width + GAP) / (tile.width * scale))
  const rows = Math.floor((height + GAP) / (tile.height * scale))
  return { density, scale, columns: Math.max(0, columns), rows: Math.max(0, rows) }
}
