import { useEffect, useState, type ReactElement, type ReactNode } from 'react'
import { createPortal } from 'react-dom'
import { t } from '../lib/i18n'
import styles from './PageTitle.module.css'

/** The id of the place above every page that a page may fill. */
export const PAGE_TITLE = 'page-title'
/** The id of the heading that stands there, after which the page's content is named. */
export const HEADING = 'page-heading'

export type PageTitleProps = {
  readonly title: string
  /** The page's own name, where the title is somebody else's. */
  readonly of?: string
  readonly children?: ReactNode
}

/** Puts the page's heading into the line above it, and its name on the tab. */
export function PageTitle({ title, of, children }: PageTitleProps): ReactElement | null {
  const [place, setPlace] = useState<HTMLElement | null>(null)
  useEffect(() => setPlace(document.getElementById(PAGE_TITLE)), [])
  useEffect(() => {
    const names = of === undefined || of === title ? [title] : [title, of]
    document.title = [...names, t('product')].join(' · ')
  }, [title, of])
  if (place === null) return null
  return createPortal(
    <>
      <h1 id={HEADING} className={styles['title']} title={title}>
        {title}
      </h1>
      {children}
    </>,
    place,
  )
}
