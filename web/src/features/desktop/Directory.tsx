import { useId, useRef, useState, type ReactElement } from 'react'
import { isCallable, LIMIT, SHOWN_MAX, type Target } from '../../api/workspace-targets'
import { timeOrDate } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { useShortcut } from '../../ui/use-shortcut'
import { canTakeTelLinks, takeTelLinks } from './click-to-dial'
import { ContactEditor } from './ContactEditor'
import { Contacts } from './Contacts'
import { termOf } from './destination'
import type { DeskProps } from './Desktop'
import { KeyedButton } from './KeyedButton'
import { isOver } from './missed'
import { Presence } from './Presence'
import { reachOf } from './reach'
import { useTargets } from './use-destination'
import { isSame, useFavourites, usePresent, useRecents, type Favourites } from './use-favourites'
import desk from './Desktop.module.css'
import styles from './Directory.module.css'

type Shown = 'favourites' | 'recents' | 'contacts'

/** Whom one can call or ask: found by name, kept as favourites, talked with before. */
export function Directory(props: DeskProps): ReactElement {
  const { state } = props
  const [typed, setTyped] = useState('')
  const [shown, setShown] = useState<Shown>()
  /** The contact whose form is open; empty for a new one. */
  const [edited, setEdited] = useState<string>()
  const input = useRef<HTMLInputElement>(null)
  const id = useId()
  const term = termOf(typed)
  const [pages, setPages] = useState({ term, limit: LIMIT })
  const limit = pages.term === term ? pages.limit : LIMIT
  const { targets, further, isLooking, hasFailed, isBehind } = useTargets(term, limit)
  const favourites = useFavourites()
  const recents = useRecents(state.calls.filter((call) => !isOver(call)).map((call) => call.id).join(' '))
  useShortcut('f', t('work.find'), () => input.current?.focus())
  const toggle = (what: Shown): void => {
    setTyped('')
    setShown(shown === what ? undefined : what)
  }
  const others = targets.filter(({ userName }) => userName === '' || userName.toLowerCase() !== state.user?.userName.toLowerCase())
  return (
    <section aria-label={t('work.directory')} className={desk['panel']}>
      <Field id={id} label={t('work.find')}>
        {(attributes) => <input {...attributes} ref={input} type="search" autoComplete="off" spellCheck={false} value={typed} onChange={(event) => setTyped(event.target.value)} onKeyDown={(event) => (event.key === 'Escape' ? setTyped('') : undefined)} />}
      </Field>
      <div role="group" aria-label={t('work.directory.lists')} className={desk['buttons']}>
        <KeyedButton keys="v" text={t('work.favourites')} pressed={shown === 'favourites' && term === ''} onRun={() => toggle('favourites')} />
        <KeyedButton keys="l" text={recents.missed === 0 ? t('work.recents') : t('work.recents.missed', { missed: recents.missed })} pressed={shown === 'recents' && term === ''} onRun={() => toggle('recents')} />
        <KeyedButton keys="C" text={t('work.contacts')} pressed={shown === 'contacts' && term === ''} onRun={() => toggle('contacts')} />
      </div>
      <p role="status" className={desk['quiet']}>
        {term === '' ? '' : hasFailed ? t('work.away') : isLooking ? t('work.looking') : others.length === 0 ? t('work.nobody') : ''}
      </p>
      {isBehind ? <p className={desk['quiet']}>{t('work.behind')}</p> : null}
      {edited === undefined ? null : <ContactEditor key={edited} id={edited} favourites={favourites} onClose={() => setEdited(undefined)} />}
      {term !== '' ? <Targets {...props} targets={others} favourites={favourites} onEdit={setEdited} /> : null}
      {further > 0 && limit < SHOWN_MAX ? (
        <p>
          <Button onClick={() => setPages({ term, limit: limit + LIMIT })}>{t('work.more', { further })}</Button>
        </p>
      ) : null}
      {term === '' && shown === 'favourites' ? (
        <>
          {favourites.favourites.length > 0 ? null : <p className={desk['quiet']}>{favourites.hasFailed ? t('work.away') : t('work.favourites.none')}</p>}
          <Targets {...props} targets={favourites.favourites} favourites={favourites} />
        </>
      ) : null}
      {term === '' && shown === 'contacts' ? <Contacts {...props} favourites={favourites} onEdit={setEdited} /> : null}
      {term === '' && shown === 'recents' ? <RecentCalls {...props} favourites={favourites} recents={recents} /> : null}
      {canTakeTelLinks() && shown === 'favourites' ? (
        <p>
          <Button title={t('work.tel.hint')} onClick={takeTelLinks}>
            {t('work.tel')}
          </Button>
        </p>
      ) : null}
    </section>
  )
}

type TargetsProps = DeskProps & { readonly targets: readonly Target[]; readonly favourites: Favourites; readonly notes?: readonly string[]; readonly onEdit?: (id: string) => void }

function Targets({ targets, notes = [], ...props }: TargetsProps): ReactElement | null {
  if (targets.length === 0) return null
  return (
    <ul className={styles['targets']}>
      {targets.map((target, index) => (
        <Row key={`${target.type} ${target.id} ${index}`} {...props} kept={target} isAsked={index < ASKED_MAX} note={notes[index] ?? ''} />
      ))}
    </ul>
  )
}

/** Of those further down it is not asked again and again whether they can talk. */
const ASKED_MAX = 12

type RowProps = DeskProps & { readonly kept: Target; readonly isAsked: boolean; readonly favourites: Favourites; readonly note: string; readonly onEdit?: (id: string) => void }

/** One of them: who, whether they can talk, and what can be done: during a call they are asked about it. */
function Row({ desk: own, state, kept, isAsked, favourites, note, onEdit }: RowProps): ReactElement {
  const target = usePresent(kept, isAsked)
  const { text, run } = reachOf({ desk: own, state })
  const is = favourites.favourites.some((one) => isSame(one, target))
  return (
    <li className={styles['target']} data-target={target.name}>
      <div className={styles['who']}>
        <Presence target={target} configuration={state.configuration} />
        {note === '' ? null : <span className={styles['note']}>{note}</span>}
      </div>
      {!isCallable(target) ? null : (
        <Button label={`${text}: ${target.name}`} onClick={() => run(target.number)}>
          {text}
        </Button>
      )}
      {onEdit === undefined || target.isContact !== true ? null : (
        <Button label={t('work.contact.edit', { name: target.name })} onClick={() => onEdit(target.id)}>
          {t('work.contact.editShort')}
        </Button>
      )}
      <Button label={t('work.favourite', { name: target.name })} pressed={is} onClick={() => void favourites.toggle(target)}>
        {is ? '★' : '☆'}
      </Button>
    </li>
  )
}

type RecentCallsProps = DeskProps & { readonly favourites: Favourites; readonly recents: ReturnType<typeof useRecents> }

function RecentCalls({ recents, ...props }: RecentCallsProps): ReactElement {
  const now = Date.now()
  const notes = recents.recents.map(({ at, isMissed }) => {
    const time = at === 0 ? '' : timeOrDate(at, now)
    return isMissed ? t('work.recents.missedAt', { time }) : time
  })
  return (
    <>
      {recents.recents.length > 0 ? null : <p className={desk['quiet']}>{recents.hasFailed ? t('work.away') : t('work.recents.none')}</p>}
      {recents.missed === 0 ? null : (
        <p>
          <Button onClick={() => void recents.see()}>{t('work.recents.seen')}</Button>
        </p>
      )}
      <Targets {...props} targets={recents.recents.map(({ target }) => target)} notes={notes} />
    </>
  )
}
