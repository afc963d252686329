import type { ReactElement, ReactNode } from 'react'
import { Glyph } from './state-glyphs'
import styles from './Field.module.css'

/** What an input needs to be named, described and marked as faulty. */
export type FieldAttributes = { readonly id: string; readonly 'aria-describedby': string | undefined; readonly 'aria-invalid': boolean }

export type FieldProps = {
  readonly id: string
  readonly label: string
  readonly hint?: string | undefined
  readonly faults?: readonly string[] | undefined
  /** Said beside the label of one that may not be empty. */
  readonly required?: string | undefined
  /** Takes the whole width of the form. */
  readonly isWide?: boolean
  readonly children: (attributes: FieldAttributes) => ReactNode
}

/** An input with its label, what is to be known of it, and what is wrong with it. */
export function Field({ id, label, hint, faults = [], required, isWide = false, children }: FieldProps): ReactElement {
  const described = [hint === undefined ? '' : `${id}-hint`, faults.length === 0 ? '' : `${id}-fault`].filter((name) => name !== '')
  const attributes = { id, 'aria-describedby': described.length === 0 ? undefined : described.join(' '), 'aria-invalid': faults.length > 0 }
  return (
    <div className={isWide ? `${styles['field']} ${styles['wide']}` : styles['field']} data-field={id}>
      <label htmlFor={id} className={styles['label']}>
        {label} {required === undefined ? null : <span className={styles['required']}>{required}</span>}
      </label>
      {children(attributes)}
      {hint === undefined ? null : (
        <p id={`${id}-hint`} className={styles['hint']}>
          {hint}
        </p>
      )}
      <FaultsOf id={id} faults={faults} />
    </div>
  )
}

/** What is wrong with a field. */
export function FaultsOf({ id, faults }: { readonly id: string; readonly faults: readonly string[] }): ReactElement | null {
  if (faults.length === 0) return null
  return (
    <p id={`${id}-fault`} className={styles['fault']}>
      <Glyph name="warning" className={styles['sign']} />
      <span>{faults.join(' ')}</span>
    </p>
  )
}
