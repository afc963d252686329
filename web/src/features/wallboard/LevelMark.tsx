import type { ReactElement } from 'react'
import { Glyph } from '../../ui/state-glyphs'
import type { Level } from './rules'
import styles from './LevelMark.module.css'

export type LevelMarkProps = {
  readonly level: Level
  readonly words: Readonly<Record<Level, string>>
}

/** A level as a shape with words; the colour only repeats it. */
export function LevelMark({ level, words }: LevelMarkProps): ReactElement | null {
  if (level === 'none') return null
  return (
    <span className={`${styles['mark']} ${styles[level]}`}>
      <Glyph name={level} />
      <span>{words[level]}</span>
    </span>
  )
}
