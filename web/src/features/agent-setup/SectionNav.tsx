import { Link, useLocation, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { useShortcut } from '../../ui/use-shortcut'
import { SECTIONS, type Section } from './sections'
import styles from './SectionNav.module.css'

/** The id of the page beside the sections. */
export const BESIDE = 'setup-page'

/** Whether a path is of a section's page that its link does not lead to: of a new object, or of a table of people. */
function isBelow(pathname: string, { path }: Section): boolean {
  return pathname === `/agent-setup/new/${path}` || (path === 'people' && pathname === '/agent-setup/import')
}

/** The sections, beside every page of Agent Setup. Where there is no room for them a button opens them. */
export function SectionNav(): ReactElement {
  const nav = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  const [openAt, setOpenAt] = useState('')
  const isOpen = openAt === pathname
  const navigate = useNavigate()
  useShortcut('g k', t('shortcuts.goTo', { page: t('setup.apiKeys') }), () => void navigate({ to: '/agent-setup/api-keys' }))
  useEffect(() => {
    // On a phone the sections are one line, of which a part is seen.
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [pathname])
  return (
    <nav ref={nav} aria-label={t('setup.sections')} className={styles['nav']}>
      <a
        href={`#${BESIDE}`}
        className={styles['skip']}
        onClick={(event) => {
          event.preventDefault()
          document.getElementById(BESIDE)?.focus()
        }}
      >
        {t('setup.sections.skip')}
      </a>
      <button type="button" aria-expanded={isOpen} className={styles['opener']} onClick={() => setOpenAt(isOpen ? '' : pathname)}>
        {t('setup.sections')}
      </button>
      <ul data-open={isOpen}>
        {SECTIONS.map((section) => (
          <SectionLink key={section.path} section={section} isHere={isBelow(pathname, section)} />
        ))}
        <li>
          <Link to="/agent-setup/api-keys" className={styles['link']}>
            {t('setup.apiKeys')}
          </Link>
        </li>
        <li>
          <Link to="/agent-setup/sign-ins" className={styles['link']} activeOptions={{ includeSearch: false }}>
            {t('setup.signIns')}
          </Link>
        </li>
        <li>
          <Link to="/agent-setup/history" className={styles['link']}>
            {t('setup.history.all')}
          </Link>
        </li>
      </ul>
    </nav>
  )
}

type SectionLinkProps = { readonly section: Section; readonly isHere: boolean }

function SectionLink({ section, isHere }: SectionLinkProps): ReactElement {
  const navigate = useNavigate()
  const title = t(section.title)
  useShortcut(`g ${section.key}`, t('shortcuts.goTo', { page: title }), () => void navigate({ to: '/agent-setup/$section', params: { section: section.path } }))
  return (
    <li>
      <Link to="/agent-setup/$section" params={{ section: section.path }} className={styles['link']} activeOptions={{ includeSearch: false }} aria-current={isHere ? 'true' : undefined}>
        {title}
      </Link>
    </li>
  )
}
