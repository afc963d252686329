import type { ReactElement, ReactNode } from 'react'
import styles from './Button.module.css'

export type ButtonProps = {
  readonly children: ReactNode
  readonly onClick?: () => void
  readonly type?: 'button' | 'submit'
  readonly title?: string | undefined
  readonly pressed?: boolean
  /** The one thing that a page or window is about, and what cannot be taken back by another press. */
  readonly tone?: 'plain' | 'main' | 'danger'
  /** For a screen reader, where the words alone would not say which of several. */
  readonly label?: string
  /** A press does nothing now. It keeps the focus: it is so for a moment. */
  readonly isOff?: boolean
  /** What it was pressed for is under way. */
  readonly isBusy?: boolean
}

export function Button({ children, onClick, type = 'button', title, pressed, tone = 'plain', label, isOff = false, isBusy = false }: ButtonProps): ReactElement {
  return (
    <button type={type} className={`${styles['button']} ${styles[tone]}`} onClick={isOff ? undefined : onClick} title={title} aria-pressed={pressed} aria-label={label} aria-disabled={isOff || undefined} aria-busy={isBusy || undefined}>
      {children}
    </button>
  )
}

/** The class of a link that looks like a button. */
export function buttonClass(tone: 'plain' | 'main' = 'plain'): string {
  return `${styles['button']} ${styles[tone]}`
}
