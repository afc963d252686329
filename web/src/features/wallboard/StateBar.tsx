import { memo, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { count } from '../../lib/numbers'
import { Glyph } from '../../ui/state-glyphs'
import type { States } from './model'
import { bandCounts, BANDS } from './rules'
import styles from './StateBar.module.css'

export type StateBarProps = { readonly states: States }

/** How many agents are in which state. */
export const StateBar = memo(function StateBar({ states }: StateBarProps): ReactElement {
  const counts = bandCounts(states)
  return (
    <ul className={styles['bands']}>
      {BANDS.filter((band) => band !== 'unknown' || counts.unknown > 0).map((band) => (
        <li key={band} className={styles['band']} data-band={band}>
          <Glyph name={band} className={`${styles['sign']} ${styles[band]}`} />
          <b className={styles['count']} data-number="agents">{count(counts[band])}</b>
          <span className={styles['label']}>{t(`band.${band}`)}</span>
        </li>
      ))}
    </ul>
  )
})
