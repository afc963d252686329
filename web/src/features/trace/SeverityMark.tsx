import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { Glyph } from '../../ui/state-glyphs'
import type { Severity } from './model'
import styles from './SeverityMark.module.css'

export type SeverityMarkProps = { readonly severity: Severity }

const GLYPH = { fault: 'bad', warning: 'warning', info: 'good' } as const

/** How bad a finding is: a shape, a word, and a colour that repeats them. */
export function SeverityMark({ severity }: SeverityMarkProps): ReactElement {
  return (
    <span className={`${styles['mark']} ${styles[severity]}`}>
      <Glyph name={GLYPH[severity]} />
      {t(`trace.severity.${severity}`)}
    </span>
  )
}
