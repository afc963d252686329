import { Link } from '@tanstack/react-router'
import { lazy, Suspense, useCallback, useState, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { adviceOf, wordsOf } from './failures'
import { t } from '../../lib/i18n'
import { setupPaths } from '../../lib/paths'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { useShortcut } from '../../ui/use-shortcut'
import { ListTable } from './ListTable'
import { ListTools } from './ListTools'
import { together } from './paging'
import { failureIn, useObjects, type ListFilter } from './queries'
import type { Section } from './sections'
import styles from './List.module.css'

export type ObjectListProps = {
  readonly tenant: string
  readonly section: Section
  readonly filter: ListFilter
  readonly onFilter: (filter: ListFilter) => void
  readonly onNew: () => void
}

/** Loaded when somebody is chosen. */
const BulkBar = lazy(async () => ({ default: (await import('./BulkBar')).BulkBar }))

const NOBODY: ReadonlySet<string> = new Set()

/** The objects of a section: to be searched, opened, and, of people, changed several at once. */
export function ObjectList({ tenant, section, filter, onFilter, onNew }: ObjectListProps): ReactElement {
  const { data, error, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = useObjects(tenant, section, filter)
  const [chosen, setChosen] = useState(NOBODY)
  useShortcut('n', t(section.add), onNew)
  const failure = failureIn(error)
  const items = together(data?.pages ?? [])
  const isPeople = section.kind === 'person'
  const onClear = useCallback(() => setChosen(NOBODY), [])
  const choose = (ids: readonly string[], isOn: boolean): void => setChosen((before) => new Set(isOn ? [...before, ...ids] : [...before].filter((id) => !ids.includes(id))))
  return (
    <>
      <PageTitle title={t(section.title)} of={t('apps.agentSetup')} />
      <div className={styles['tools']}>
        <ListTools tenant={tenant} isPeople={isPeople} filter={filter} onFilter={onFilter} />
        <div className={styles['actions']}>
          <Link to="/agent-setup/new/$section" params={{ section: section.path }} className={buttonClass('main')}>
            {t(section.add)}
          </Link>
          {isPeople ? (
            <>
              <Link to="/agent-setup/import" className={buttonClass()}>
                {t('setup.import')}
              </Link>
              <a href={setupPaths.people(tenant)} download="people.csv" className={buttonClass()}>
                {t('setup.export')}
              </a>
            </>
          ) : null}
        </div>
      </div>
      {failure === undefined ? null : (
        <Notice tone="bad" title={wordsOf(failure)}>
          <p>{adviceOf(failure)}</p>
          <p>
            <Button onClick={() => void refetch()}>{t('connection.retry')}</Button>
          </p>
        </Notice>
      )}
      {data === undefined && failure === undefined ? <p>{t('loading')}</p> : null}
      {data === undefined ? null : items.length === 0 ? (
        <Empty section={section} filter={filter} />
      ) : (
        <>
          {isPeople && chosen.size > 0 ? (
            <Suspense fallback={<p>{t('loading')}</p>}>
              <BulkBar tenant={tenant} chosen={items.filter(({ id }) => chosen.has(id))} onClear={onClear} />
            </Suspense>
          ) : null}
          <ListTable section={section} items={items} chosen={isPeople ? chosen : undefined} onChoose={choose} />
        </>
      )}
      {data === undefined ? null : <Foot items={items} hasNext={hasNextPage} isFetching={isFetchingNextPage} onMore={() => void fetchNextPage()} />}
    </>
  )
}

function Empty({ section, filter }: { readonly section: Section; readonly filter: ListFilter }): ReactElement {
  const isFiltered = filter.q !== '' || filter.skill !== '' || filter.disabled !== ''
  return <p className={styles['empty']}>{isFiltered ? t('setup.list.nothingFound') : t('setup.list.nothing', { what: t(section.title) })}</p>
}

type FootProps = { readonly items: readonly Stored[]; readonly hasNext: boolean; readonly isFetching: boolean; readonly onMore: () => void }

function Foot({ items, hasNext, isFetching, onMore }: FootProps): ReactElement {
  return (
    <div className={styles['foot']}>
      <span role="status">{hasNext ? t('setup.list.shownSoFar', { count: items.length }) : t('setup.list.shown', { count: items.length })}</span>
      {hasNext ? <Button onClick={onMore}>{isFetching ? t('loading') : t('setup.more')}</Button> : null}
    </div>
  )
}
