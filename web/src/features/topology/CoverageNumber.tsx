import type { ReactElement } from 'react'
import { t } from '../../lib/i18n'
import type { Topology } from './model'
import styles from './CoverageNumber.module.css'

export type CoverageNumberProps = { readonly coverage: Topology['coverage'] }

/** How much of the drawing is proven by tests. */
export function CoverageNumber({ coverage }: CoverageNumberProps): ReactElement {
  const { proven, declared, notYet, total } = coverage
  const share = (part: number): string => `${total === 0 ? 0 : (part * 100) / total}%`
  return (
    <div className={styles['coverage']}>
      <p>
        <b className={styles['proven']} data-number="proven">
          {proven}
        </b>{' '}
        {t('topology.provenOf', { total })}
      </p>
      <div className={styles['bar']} aria-hidden="true">
        <span className={styles['part']} style={{ width: share(proven) }} />
        <span className={styles['declared']} style={{ width: share(declared) }} />
      </div>
      <p className={styles['rest']}>{t('topology.coverageRest', { declared, notYet })}</p>
    </div>
  )
}
