import type { ReactElement, ReactNode } from 'react'
import styles from './Button.module.css'

export type ButtonProps = {
  readonly children: ReactNode
  readonly onClick?: () => void
  readonly type?: 'button' | 'submit'
  readonly title?: string
  readonly pressed?: boolean
}

export function Button({ children, onClick, type = 'button', title, pressed }: ButtonProps): ReactElement {
  return (
    <button type={type} className={styles['button']} onClick={onClick} title={title} aria-pressed={pressed}>
      {children}
    </button>
  )
}
