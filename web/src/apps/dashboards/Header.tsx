import { Link, type LinkProps } from '@tanstack/react-router'
import { useCallback, type ReactElement } from 'react'
import { timeOfDay } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { PAGE_TITLE } from '../../ui/PageTitle'
import { THEMES, useTheme, type Theme } from '../../ui/theme'
import { Ticking } from '../../ui/Ticking'
import styles from './Header.module.css'

export type HeaderProps = {
  /** The wallboard fills the screen. */
  readonly isWall: boolean
}

/** The line above every page: where one is, where one can go, colours. */
export function Header({ isWall }: HeaderProps): ReactElement {
  const [theme, setTheme] = useTheme()
  const clock = useCallback(() => timeOfDay(Date.now()), [])
  return (
    <header className={isWall ? `${styles['header']} ${styles['wall']}` : styles['header']}>
      <span className={styles['product']}>
        <img src="/icon.svg" alt="" width="28" height="28" />
        {messages.product}
      </span>
      <nav aria-label={messages.pagesLabel} className={styles['pages']}>
        <PageLink to="/" text={messages.pages.wallboard} />
        <PageLink to="/topology" text={messages.pages.topology} />
        <PageLink to="/trace" text={messages.pages.traces} />
      </nav>
      <div id={PAGE_TITLE} className={styles['title']} />
      <label className={styles['theme']}>
        <span className="visually-hidden">{messages.theme.label}</span>
        <select value={theme} onChange={(event) => setTheme(themeOf(event.target.value))}>
          {THEMES.map((name) => (
            <option key={name} value={name}>
              {messages.theme[name]}
            </option>
          ))}
        </select>
      </label>
      <Ticking text={clock} className={styles['clock']} />
    </header>
  )
}

function themeOf(value: string): Theme {
  return THEMES.find((theme) => theme === value) ?? 'auto'
}

type PageLinkProps = { readonly to: NonNullable<LinkProps['to']>; readonly text: string }

/** A page within it, as one call's trace, counts as this page. */
function PageLink({ to, text }: PageLinkProps): ReactElement {
  return (
    <Link to={to} className={styles['page']} activeOptions={{ exact: to === '/', includeSearch: false }}>
      {text}
    </Link>
  )
}
