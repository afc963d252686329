import { Link } from '@tanstack/react-router'
import { lazy, Suspense, useCallback, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import type { Failure } from '../../api/errors'
import { adviceOf, wordsOf } from './failures'
import { addTexts, t } from '../../lib/i18n'
import { setupPaths } from '../../lib/paths'
import { Button, buttonClass } from '../../ui/Button'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { useShortcut } from '../../ui/use-shortcut'
import { ChooseAll } from './ChooseAll'
import { useChosen } from './chosen'
import { ListTable } from './ListTable'
import { ListTools } from './ListTools'
import { mayChange, mayMake } from './may-make'
import { chosenToo, latest, NOBODY, together, without } from './paging'
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

/** Loaded when one of them is chosen. */
const BulkBar = lazy(async () => {
  const [{ BulkBar: bar }] = await Promise.all([import('./BulkBar'), addTexts('agent-setup-forms')])
  return { default: bar }
})
const DeleteBar = lazy(async () => {
  const [{ DeleteBar: bar }] = await Promise.all([import('./DeleteBar'), addTexts('agent-setup-forms')])
  return { default: bar }
})

/** The objects of a section: to be searched, opened, and several at once to be deleted or, of people, changed. */
export function ObjectList({ tenant, section, filter, onFilter, onNew }: ObjectListProps): ReactElement {
  const { data, error, hasNextPage, isFetchingNextPage, isPlaceholderData, fetchNextPage, refetch } = useObjects(tenant, section, filter)
  const [chosen, setChosen] = useChosen(tenant, section.path)
  useShortcut(mayMake(section.kind) ? 'n' : '', t(section.add), onNew)
  const failure = failureIn(error)
  const items = together(data?.pages ?? [])
  const Bar = section.kind === 'person' ? BulkBar : DeleteBar
  const onClear = useCallback(() => setChosen(() => NOBODY), [setChosen])
  const onRead = useCallback((stored: readonly Stored[]) => setChosen((before) => chosenToo(before, stored)), [setChosen])
  const onForget = useCallback((ids: readonly string[]) => setChosen((before) => without(before, ids)), [setChosen])
  return (
    <>
      <PageTitle title={t(section.title)} of={t('apps.agentSetup')} />
      <Head tenant={tenant} section={section} filter={filter} onFilter={onFilter} />
      {failure === undefined ? null : <Failed failure={failure} onRetry={() => void refetch()} />}
      {data === undefined && failure === undefined ? <p>{t('loading')}</p> : null}
      {chosen.size > 0 ? (
        <Suspense fallback={<p>{t('loading')}</p>}>
          <Bar tenant={tenant} section={section} chosen={latest(chosen, items)} onClear={onClear} onRead={onRead} onForget={onForget} />
        </Suspense>
      ) : null}
      {data === undefined ? null : items.length > 0 ? (
        <>
          {hasNextPage && !isPlaceholderData && items.every(({ id }) => chosen.has(id)) ? <ChooseAll tenant={tenant} section={section} filter={filter} onChoose={onRead} /> : null}
          <ListTable section={section} items={items} chosen={chosen} isStale={isPlaceholderData} onChoose={(stored, isOn) => (isOn ? onRead(stored) : onForget(stored.map(({ id }) => id)))} />
        </>
      ) : hasNextPage || isPlaceholderData ? null : (
        <Empty section={section} filter={filter} />
      )}
      {data === undefined ? null : <Foot items={items} hasNext={hasNextPage} isStale={isPlaceholderData} isFetching={isFetchingNextPage} onMore={() => void fetchNextPage()} />}
    </>
  )
}

type HeadProps = Pick<ObjectListProps, 'tenant' | 'section' | 'filter' | 'onFilter'>

function Head({ tenant, section, filter, onFilter }: HeadProps): ReactElement {
  const isPeople = section.kind === 'person'
  return (
    <div className={styles['tools']}>
      <ListTools tenant={tenant} isPeople={isPeople} filter={filter} onFilter={onFilter} />
      <div className={styles['actions']}>
        {mayMake(section.kind) ? (
          <Link to="/agent-setup/new/$section" params={{ section: section.path }} className={buttonClass('main')}>
            {t(section.add)}
          </Link>
        ) : null}
        {isPeople ? (
          <>
            {mayChange() ? (
              <Link to="/agent-setup/import" className={buttonClass()}>
                {t('setup.import')}
              </Link>
            ) : null}
            <a href={setupPaths.people(tenant)} download="people.csv" className={buttonClass()}>
              {t('setup.export')}
            </a>
          </>
        ) : null}
      </div>
    </div>
  )
}

function Failed({ failure, onRetry }: { readonly failure: Failure; readonly onRetry: () => void }): ReactElement {
  return (
    <Notice tone="bad" title={wordsOf(failure)}>
      <p>{adviceOf(failure)}</p>
      <p>
        <Button onClick={onRetry}>{t('connection.retry')}</Button>
      </p>
    </Notice>
  )
}

function Empty({ section, filter }: { readonly section: Section; readonly filter: ListFilter }): ReactElement {
  const isFiltered = filter.q !== '' || filter.skill !== '' || filter.disabled !== ''
  return <p className={styles['empty']}>{isFiltered ? t('setup.list.nothingFound') : t('setup.list.nothing', { what: t(section.title) })}</p>
}

type FootProps = { readonly items: readonly Stored[]; readonly hasNext: boolean; readonly isStale: boolean; readonly isFetching: boolean; readonly onMore: () => void }

function Foot({ items, hasNext, isStale, isFetching, onMore }: FootProps): ReactElement {
  const shown = hasNext ? t('setup.list.shownSoFar', { count: items.length }) : t('setup.list.shown', { count: items.length })
  return (
    <div className={styles['foot']}>
      <span role="status">{isStale ? t('loading') : shown}</span>
      {hasNext && !isStale ? <Button onClick={onMore}>{isFetching ? t('loading') : t('setup.more')}</Button> : null}
    </div>
  )
}
