import { Link } from '@tanstack/react-router'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Fragment, useState, type FormEvent, type ReactElement } from 'react'
import { listSignIns, type SignIn, type SignInFilter } from '../../api/sign-ins'
import { dateAndTime } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { adviceOf, wordsOf } from './failures'
import { failureIn, valueOf } from './queries'
import { ReferenceInput } from './ReferenceInput'
import { EVENTS, localOf, timeOf, wordsOfEvent, wordsOfSignIn, zoneOfBrowser } from './sign-in-words'
import { whomOf } from './whom'
import { NOTHING } from './words'
import styles from './List.module.css'

export type SignInsProps = { readonly tenant: string; readonly filter: SignInFilter; readonly onFilter: (filter: SignInFilter) => void }

/** Who has signed in, was refused, has signed out: the latest first, by person and time. */
export function SignIns({ tenant, filter, onFilter }: SignInsProps): ReactElement {
  const { data, error, hasNextPage, isFetchingNextPage, isPlaceholderData, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ['agent-setup', tenant, 'sign-ins', filter],
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => valueOf(await listSignIns(tenant, filter, pageParam, signal)),
    getNextPageParam: ({ next }) => (next === '' ? undefined : next),
    placeholderData: (before) => before,
    refetchOnWindowFocus: false,
  })
  const failure = failureIn(error)
  const [isAskedAgain, setAskedAgain] = useState(false)
  const isStale = isPlaceholderData || isAskedAgain
  /** The same question once more is a new one: something may have happened since. */
  const askAgain = (): void => {
    setAskedAgain(true)
    void refetch().finally(() => setAskedAgain(false))
  }
  const items = data?.pages.flatMap((page) => page.items) ?? []
  return (
    <>
      <PageTitle title={t('setup.signIns')} of={t('apps.agentSetup')} />
      <Filter tenant={tenant} filter={filter} onFilter={(asked) => (isOther(filter, asked) ? onFilter(asked) : askAgain())} />
      <p>{t('setup.signIns.about', { zone: zoneOfBrowser() })}</p>
      {failure === undefined ? null : (
        <Notice tone="bad" title={wordsOf(failure)}>
          <p>{adviceOf(failure)}</p>
          <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>
        </Notice>
      )}
      {data === undefined ? null : items.length > 0 ? <Entries items={items} isStale={isStale} /> : <p className={styles['empty']}>{t('setup.signIns.none')}</p>}
      <div className={styles['foot']}>
        <span role="status">{isStale || (data === undefined && failure === undefined) ? t('loading') : data === undefined ? '' : hasNextPage ? t('setup.signIns.shownSoFar', { count: items.length }) : t('setup.signIns.shown', { count: items.length })}</span>
        {hasNextPage && !isStale ? <Button onClick={() => void fetchNextPage()}>{isFetchingNextPage ? t('loading') : t('setup.more')}</Button> : null}
      </div>
    </>
  )
}

type Typed = SignInFilter

/** As the inputs show it. */
const typedOf = ({ person, event, since, until }: SignInFilter): Typed => ({ person, event, since: localOf(since), until: localOf(until) })

function Filter({ tenant, filter, onFilter }: SignInsProps): ReactElement {
  const [typed, setTyped] = useState(() => typedOf(filter))
  const [seen, setSeen] = useState(filter)
  // A way back in the history, or a link, is ahead of what is typed.
  if (isOther(seen, filter)) {
    setSeen(filter)
    setTyped(typedOf(filter))
  }
  const show = (what: SignInFilter): void => {
    setSeen(what)
    onFilter(what)
  }
  const input = (name: 'since' | 'until', label: string): ReactElement => (
    <label className={styles['filter']}>
      {label}
      <input type="datetime-local" value={typed[name]} onChange={(event) => setTyped({ ...typed, [name]: event.target.value })} />
    </label>
  )
  return (
    <form
      role="search"
      className={styles['tools']}
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        show({ ...typed, person: typed.person.trim(), since: timeOf(typed.since), until: timeOf(typed.until) })
      }}
    >
      <label className={styles['filter']}>
        {t('setup.signIns.person')}
        <ReferenceInput tenant={tenant} of="person" value={typed.person} attributes={{}} onChange={(person) => setTyped({ ...typed, person })} />
      </label>
      <label className={styles['filter']}>
        {t('setup.signIns.event')}
        <select value={typed.event} onChange={(event) => setTyped({ ...typed, event: event.target.value })}>
          <option value="">{t('setup.signIns.all')}</option>
          {Object.keys(EVENTS).map((event) => (
            <option key={event} value={event}>
              {wordsOfEvent(event)}
            </option>
          ))}
        </select>
      </label>
      {input('since', t('setup.signIns.since'))}
      {input('until', t('setup.signIns.until'))}
      <div className={styles['actions']}>
        <Button type="submit" tone="main">
          {t('setup.signIns.show')}
        </Button>
        <Button
          onClick={() => {
            setTyped(typedOf(ALL))
            show(ALL)
          }}
        >
          {t('setup.signIns.clear')}
        </Button>
      </div>
    </form>
  )
}

const ALL: SignInFilter = { person: '', event: '', since: '', until: '' }

function isOther(one: SignInFilter, other: SignInFilter): boolean {
  return one.person !== other.person || one.event !== other.event || one.since !== other.since || one.until !== other.until
}

function Entries({ items, isStale }: { readonly items: readonly SignIn[]; readonly isStale: boolean }): ReactElement {
  return (
    <div className={`${styles['scroll']} ${isStale ? styles['stale'] : ''}`} tabIndex={0} role="region" aria-label={t('setup.signIns')} aria-busy={isStale}>
      <table className={styles['table']}>
        <thead>
          <tr>
            <th scope="col">{t('setup.signIns.when')}</th>
            <th scope="col">{t('setup.signIns.who')}</th>
            <th scope="col">{t('setup.signIns.event')}</th>
            <th scope="col">{t('setup.signIns.from')}</th>
            <th scope="col" className={styles['further']}>
              {t('setup.signIns.with')}
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((entry, index) => (
            <tr key={`${entry.at} ${entry.event} ${entry.subject} ${entry.session} ${index}`} data-event={entry.event}>
              <td>{dateAndTime(entry.at)}</td>
              <th scope="row">
                <Whom subject={entry.subject} />
                {entry.by === '' ? null : (
                  <Fragment>
                    {' '}
                    <span>{t('setup.signIns.by', { who: whomOf(entry.by)?.name ?? entry.by })}</span>
                  </Fragment>
                )}
              </th>
              <td>
                {wordsOfSignIn(entry)}
                {entry.user_agent === '' ? null : (
                  <span className={styles['onlyNarrow']}>
                    {t('setup.signIns.with')}: {entry.user_agent}
                  </span>
                )}
              </td>
              <td>{entry.source || NOTHING}</td>
              <td className={styles['further']}>{entry.user_agent || NOTHING}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Whom({ subject }: { readonly subject: string }): ReactElement {
  const whom = whomOf(subject)
  if (whom === undefined) return <>{t('setup.signIns.unknown')}</>
  if (whom.section === undefined) return <>{whom.name}</>
  return (
    <Link to="/agent-setup/$section/$id" params={{ section: whom.section.path, id: whom.name }}>
      {whom.name}
    </Link>
  )
}
