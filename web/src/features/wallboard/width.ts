/** How wide a number or its label is, in em of its own size. Pure. */

/** Advances of DejaVu Sans Bold, the widest of the fonts that these pages may get. */
const DIGIT = 0.7
const POINT = 0.4
const OTHER = 0.72
const PERCENT = 1.01
/** The unit's size against the number's, and the space before it in its own size. Kept equal to Totals.module.css and QueueTile.module.css. */
const UNIT_SIZE = 0.55
const UNIT_SPACE = 0.12

/** What words need for a letter at most, and a mark beside them. */
const LETTER = 0.7
const MARK = 1.5

/** How wide a number's label with a mark is at most. */
export function labelWidthInEm(label: string): number {
  return label.length * LETTER + MARK
}

export function widthInEm(value: string, unit: string): number {
  const number = [...value].reduce((sum, sign) => sum + (/\d/.test(sign) ? DIGIT : /[:,. ]/.test(sign) ? POINT : OTHER), 0)
  return number + (unit === '' ? 0 : unit.length * (UNIT_SPACE + PERCENT) * UNIT_SIZE)
}
