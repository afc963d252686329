import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Glyph } from '../../ui/state-glyphs'
import type { Level } from './rules'
import styles from './LevelMark.module.css'

export type LevelMarkProps = {
  readonly level: Level
  /** What it is the level of. */
  readonly of: 'level' | 'waitLevel'
}

/** A level as a shape with words; the colour only repeats it. */
export function LevelMark({ level, of }: LevelMarkProps): ReactElement | null {
  if (level === 'none') return null
  return (
    <span className={`${styles['mark']} ${styles[level]}`}>
      <Glyph name={level} />
      <span>{t(`wallboard.${of}.${level}`)}</span>
    </span>
  )
}
