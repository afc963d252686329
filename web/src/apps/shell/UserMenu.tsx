import { lazy, Suspense, useEffect, useId, useRef, useState, type ReactElement } from 'react'
import { wordsOf } from '../../api/errors'
import { signOut } from '../../api/session'
import { keepLanguage, known, language, LANGUAGES, t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { isOnCall, isUnsaved, letGo } from '../../lib/unsaved'
import { endAccount, type AccountState } from '../../live/account'
import { Button, buttonClass } from '../../ui/Button'
import { Glyph } from '../../ui/state-glyphs'
import { THEMES, useTheme, type Theme } from '../../ui/theme'
import { TenantSwitch } from './TenantSwitch'
import styles from './UserMenu.module.css'

const AskSignOut = lazy(async () => ({ default: (await import('./AskSignOut')).AskSignOut }))

export type UserMenuProps = { readonly account: AccountState; readonly onSheet: () => void }

/** Who has signed in, colours, language, the way out. */
export function UserMenu({ account, onSheet }: UserMenuProps): ReactElement {
  const [theme, setTheme] = useTheme()
  const [isOpen, setOpen] = useState(false)
  const panel = useId()
  const menu = useClosing(isOpen, setOpen)
  const person = account.kind === 'in' ? account.account : undefined
  return (
    <div ref={menu} className={styles['menu']}>
      <button
        type="button"
        className={styles['opener']}
        aria-expanded={isOpen}
        aria-controls={panel}
        aria-label={person === undefined ? t('menu.label') : t('menu.of', { name: person.name })}
        onClick={() => setOpen(!isOpen)}
      >
        <Glyph name={person === undefined ? 'menu' : 'person'} />
        <span className={styles['name']}>{person?.name ?? t('menu.label')}</span>
      </button>
      <div id={panel} className={styles['panel']} hidden={!isOpen}>
        <p className={styles['who']}>
          {person === undefined ? (
            t('menu.nobody')
          ) : (
            <>
              <strong>{person.name}</strong> <span>{person.user}</span> <span>{t('menu.tenant', { tenant: person.tenant })}</span>
            </>
          )}
        </p>
        <Choice label={t('language')} value={language()} options={LANGUAGES.map((name) => [name, t(`language.${name}`)])} onChoose={speak} />
        <Choice label={t('theme.label')} value={theme} options={THEMES.map((name) => [name, t(`theme.${name}`)])} onChoose={(name) => setTheme(themeOf(name))} />
        <Button
          onClick={() => {
            setOpen(false)
            onSheet()
          }}
        >
          {t('shortcuts.title')}
        </Button>
        {person === undefined ? (
          <a className={buttonClass('main')} href={apiPaths.signIn(location.pathname + location.search)}>
            {t('session.signIn')}
          </a>
        ) : (
          <>
            <TenantSwitch />
            <SignOut />
          </>
        )}
      </div>
    </div>
  )
}

function SignOut(): ReactElement {
  const [failure, setFailure] = useState('')
  const [isAsking, setAsking] = useState(false)
  const out = async (): Promise<void> => {
    const answer = await endAccount()
    setAsking(false)
    if (answer.kind === 'failed') return setFailure(wordsOf(answer.failure))
    letGo(sessionStorage)
    signOut(sessionStorage)
    location.assign('/')
  }
  return (
    <>
      <Button onClick={() => (isUnsaved() || isOnCall() ? setAsking(true) : void out())}>{t('session.signOut')}</Button>
      {failure === '' ? null : <p role="alert">{t('session.stillIn', { why: failure })}</p>}
      {isAsking ? (
        <Suspense fallback={null}>
          <AskSignOut onStay={() => setAsking(false)} onOut={() => void out()} />
        </Suspense>
      ) : null}
    </>
  )
}

/** Closes it by Escape and by a press elsewhere; the focus goes back to what has opened it. */
function useClosing(isOpen: boolean, setOpen: (open: boolean) => void): React.RefObject<HTMLDivElement | null> {
  const menu = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!isOpen) return
    const onKey = (event: KeyboardEvent): void => {
      // A window above it closes first.
      if (event.key !== 'Escape' || document.querySelector('dialog[open]') !== null) return
      setOpen(false)
      menu.current?.querySelector('button')?.focus()
    }
    const onElsewhere = (event: Event): void => {
      if (event.target instanceof Node && menu.current?.contains(event.target) === false) setOpen(false)
    }
    addEventListener('keydown', onKey)
    addEventListener('pointerdown', onElsewhere)
    addEventListener('focusin', onElsewhere)
    return () => {
      removeEventListener('keydown', onKey)
      removeEventListener('pointerdown', onElsewhere)
      removeEventListener('focusin', onElsewhere)
    }
  }, [isOpen, setOpen])
  return menu
}

type ChoiceProps = {
  readonly label: string
  readonly value: string
  /** Names with their words. */
  readonly options: readonly (readonly [string, string])[]
  readonly onChoose: (name: string) => void
}

function Choice({ label, value, options, onChoose }: ChoiceProps): ReactElement {
  const id = useId()
  return (
    <div className={styles['choice']}>
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChoose(event.target.value)}>
        {options.map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </div>
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
