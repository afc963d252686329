import { Link, type LinkProps } from '@tanstack/react-router'
import { useCallback, type ReactElement } from 'react'
import { timeOfDay } from '../../lib/durations'
import { keepLanguage, known, language, LANGUAGES, t } from '../../lib/i18n'
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
        {t('product')}
      </span>
      <nav aria-label={t('pagesLabel')} className={styles['pages']}>
        <PageLink to="/" text={t('pages.wallboard')} />
        <PageLink to="/topology" text={t('pages.topology')} />
        <PageLink to="/trace" text={t('pages.traces')} />
      </nav>
      <div id={PAGE_TITLE} className={styles['title']} />
      <Choice label={t('language')} value={language()} options={LANGUAGES.map((name) => [name, name.toUpperCase()])} onChoose={speak} />
      <Choice label={t('theme.label')} value={theme} options={THEMES.map((name) => [name, t(`theme.${name}`)])} onChoose={(name) => setTheme(themeOf(name))} />
      <Ticking text={clock} className={styles['clock']} />
    </header>
  )
}

type ChoiceProps = {
  readonly label: string
  readonly value: string
  /** Names with their words. */
  readonly options: readonly (readonly [string, string])[]
  readonly onChoose: (name: string) => void
}

function Choice({ label, value, options, onChoose }: ChoiceProps): ReactElement {
  return (
    <label className={styles['choice']}>
      <span className="visually-hidden">{label}</span>
      <select value={value} onChange={(event) => onChoose(event.target.value)}>
        {options.map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </label>
  )
}

/** Everything is said anew, so the page begins anew. */
function speak(name: string): void {
  const chosen = known(name)
  if (chosen === undefined) return
  keepLanguage(chosen)
  location.reload()
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
