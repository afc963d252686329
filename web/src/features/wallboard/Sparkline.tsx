import { memo, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { Minute } from './model'
import { sparkline } from './sparkline'
import styles from './Sparkline.module.css'

export type SparklineProps = { readonly history: readonly Minute[] }

/** The last half hour of a queue: calls that entered as bars, abandoned ones in them, most waiting as a line. */
export const Sparkline = memo(function Sparkline({ history }: SparklineProps): ReactElement {
  const drawn = sparkline(history)
  const summary = t('wallboard.historySummary', { entered: drawn.entered, abandoned: drawn.abandoned, peak: drawn.peak })
  return (
    <svg className={styles['sparkline']} viewBox={`0 0 ${drawn.width} ${drawn.height}`} preserveAspectRatio="none" role="img" aria-label={summary}>
      <title>{summary}</title>
      {drawn.bars.map((bar) => (
        <rect key={bar.x} className={styles[bar.kind]} x={bar.x} y={bar.y} width={bar.width} height={bar.height} />
      ))}
      <line className={styles['ground']} x1="0" x2={drawn.width} y1={drawn.height} y2={drawn.height} />
      {drawn.line === '' ? null : <path className={styles['line']} d={drawn.line} vectorEffect="non-scaling-stroke" />}
    </svg>
  )
})
