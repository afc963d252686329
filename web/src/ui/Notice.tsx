import type { ReactElement, ReactNode } from 'react'
import styles from './Notice.module.css'

export type NoticeProps = {
  readonly tone: 'bad' | 'warning' | 'plain'
  readonly title: string
  readonly children?: ReactNode
}

/** A message in the place of what cannot be shown. */
export function Notice({ tone, title, children }: NoticeProps): ReactElement {
  return (
    <section className={`${styles['notice']} ${styles[tone]}`} role={tone === 'plain' ? undefined : 'alert'}>
      <h2 className={styles['title']}>{title}</h2>
      {children}
    </section>
  )
}
