import { Link, useLocation, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, type ReactElement } from 'react'
import { t } from '../../lib/i18n'
import { useShortcut } from '../../ui/use-shortcut'
import { SECTIONS, type Section } from './sections'
import styles from './SectionNav.module.css'

/** The sections, beside every page of Agent Setup. */
export function SectionNav(): ReactElement {
  const nav = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  const navigate = useNavigate()
  useShortcut('g k', t('shortcuts.goTo', { page: t('setup.apiKeys') }), () => void navigate({ to: '/agent-setup/api-keys' }))
  useEffect(() => {
    // On a phone the sections are one line, of which a part is seen.
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  }, [pathname])
  return (
    <nav ref={nav} aria-label={t('setup.sections')} className={styles['nav']}>
      <ul>
        {SECTIONS.map((section) => (
          <SectionLink key={section.path} section={section} />
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

function SectionLink({ section }: { readonly section: Section }): ReactElement {
  const navigate = useNavigate()
  const title = t(section.title)
  useShortcut(`g ${section.key}`, t('shortcuts.goTo', { page: title }), () => void navigate({ to: '/agent-setup/$section', params: { section: section.path } }))
  return (
    <li>
      <Link to="/agent-setup/$section" params={{ section: section.path }} className={styles['link']} activeOptions={{ includeSearch: false }}>
        {title}
      </Link>
    </li>
  )
}
