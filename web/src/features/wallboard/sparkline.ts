/** The shapes of a queue's last half hour. Pure. */

import type { Minute } from './model'

export type Bar = {
  readonly kind: 'entered' | 'abandoned'
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export type Drawn = {
  readonly width: number
  readonly height: number
  readonly bars: readonly Bar[]
  /** Path of the most calls that waited in each minute; empty while nobody waited. */
  readonly line: string
  readonly entered: number
  readonly abandoned: number
  readonly peak: number
}

const STEP = 10
const GAP = 2
const HEIGHT = 60
/** Below this many calls a bar or a line does not fill the height: one call is no mountain. */
const SCALE_LEAST = 4

export function sparkline(history: readonly Minute[]): Drawn {
  const top = Math.max(SCALE_LEAST, ...history.map((minute) => Math.max(minute.entered, minute.waitingMax)))
  const heightOf = (value: number): number => (value / top) * (HEIGHT - 4)
  const bars = history.flatMap((minute, index): Bar[] => {
    const x = index * STEP + GAP / 2
    const place = { x, width: STEP - GAP }
    const entered = heightOf(minute.entered)
    const lost = Math.min(HEIGHT - 4, heightOf(minute.abandoned))
    return [
      ...(minute.entered > 0 ? [{ kind: 'entered' as const, ...place, y: HEIGHT - entered, height: entered }] : []),
      // A little to the right, so that both can be seen.
      ...(minute.abandoned > 0 ? [{ kind: 'abandoned' as const, ...place, x: x + 0.01, y: HEIGHT - lost, height: lost }] : []),
    ]
  })
  const peak = Math.max(0, ...history.map((minute) => minute.waitingMax))
  const points = history.map((minute, index) => `${index * STEP + STEP / 2} ${round(HEIGHT - heightOf(minute.waitingMax))}`)
  return {
    width: Math.max(1, history.length) * STEP,
    height: HEIGHT,
    bars,
    line: peak === 0 ? '' : `M${points.join('L')}`,
    entered: sum(history.map((minute) => minute.entered)),
    abandoned: sum(history.map((minute) => minute.abandoned)),
    peak,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
