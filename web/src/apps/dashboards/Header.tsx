import { useCallback, type ReactElement } from 'react'
import { timeOfDay } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { paths, type Page } from '../../lib/paths'
import { PAGE_TITLE } from '../../ui/PageTitle'
import { THEMES, useTheme, type Theme } from '../../ui/theme'
import { Ticking } from '../../ui/Ticking'
import styles from './Header.module.css'

export type HeaderProps = { readonly page: Page }

/** The line above every page: where one is, where one can go, colours. */
export function Header({ page }: HeaderProps): ReactElement {
  const [theme, setTheme] = useTheme()
  const clock = useCallback(() => timeOfDay(Date.now()), [])
  return (
    <header className={page.kind === 'wallboard' ? `${styles['header']} ${styles['wall']}` : styles['header']}>
      <span className={styles['product']}>
        <img src="/icon.svg" alt="" width="28" height="28" />
        {messages.product}
      </span>
      <nav aria-label={messages.pagesLabel} className={styles['pages']}>
        <PageLink to={paths.wallboard()} isHere={page.kind === 'wallboard'} text={messages.pages.wallboard} />
        <PageLink to={paths.topology()} isHere={page.kind === 'topology'} text={messages.pages.topology} />
        <PageLink to={paths.traces()} isHere={page.kind === 'traces' || page.kind === 'trace'} text={messages.pages.traces} />
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

type PageLinkProps = { readonly to: string; readonly isHere: boolean; readonly text: string }

function PageLink({ to, isHere, text }: PageLinkProps): ReactElement {
  return (
    <a href={to} className={styles['page']} aria-current={isHere ? 'page' : undefined}>
      {text}
    </a>
  )
}
