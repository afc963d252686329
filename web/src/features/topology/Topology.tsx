import { useMemo, useState, type ReactElement } from 'react'
import { wordsOf, type Failure } from '../../api/errors'
import { isTopology } from '../../api/generated/operations-checks'
import type { Session } from '../../api/session'
import { usePolled } from '../../live/use-polled'
import { t } from '../../lib/i18n'
import { apiPaths } from '../../lib/paths'
import { Banner } from '../../ui/Banner'
import { Notice } from '../../ui/Notice'
import { PageTitle } from '../../ui/PageTitle'
import { ConnectionTable } from './ConnectionTable'
import { CoverageNumber } from './CoverageNumber'
import { Details } from './Details'
import { Drawing } from './Drawing'
import { Legend } from './Legend'
import { ratesBetween, STATES, type Filter, type Rates, type Selection, type Topology as Document } from './model'
import styles from './Topology.module.css'

const eachTwoSeconds = (): number => 2_000

export type TopologyProps = {
  readonly session: Session
  readonly onRefused: (failure: Failure) => ReactElement
} & Looking

/** What is looked at, and how that changes. */
type Looking = { readonly search: Search; readonly onSearch: (search: Search) => void }
type Search = { readonly find?: string; readonly state?: string }

/** The drawing, alive: every declared connection with its state and traffic. */
export function Topology({ session, onRefused, search, onSearch }: TopologyProps): ReactElement {
  const polled = usePolled(session, apiPaths.topology(), isTopology, eachTwoSeconds)
  switch (polled.kind) {
    case 'refused':
      return onRefused(polled.failure)
    case 'loading':
    case 'failing':
      return (
        <>
          <PageTitle title={t('pages.topology')} />
          <Notice tone={polled.kind === 'loading' ? 'plain' : 'bad'} title={polled.kind === 'loading' ? t('loading') : wordsOf(polled.failure)}>
            {polled.kind === 'failing' ? <p>{t('advice.wait')}</p> : null}
          </Notice>
        </>
      )
    case 'shown':
      return <Shown document={polled.value} last={polled.last} failure={polled.failure} search={search} onSearch={onSearch} />
  }
}

type ShownProps = { readonly document: Document; readonly last: Document | undefined; readonly failure: Failure | undefined } & Looking

function Shown({ document, last, failure, search, onSearch }: ShownProps): ReactElement {
  const [selection, setSelection] = useState<Selection>({ kind: 'none' })
  const { find: words = '' } = search
  const state = STATES.find((known) => known === search.state) ?? 'all'
  const filter: Filter = { text: words, state }
  const rates: Rates = useMemo(() => (failure === undefined ? ratesBetween(last, document) : new Map()), [last, document, failure])
  return (
    <div className={styles['page']}>
      <PageTitle title={t('pages.topology')} />
      {failure === undefined ? null : <Banner what={wordsOf(failure)} at={document.at} />}
      <div className={styles['top']}>
        <CoverageNumber coverage={document.coverage} />
        <Legend connections={document.connections} state={state} onState={(chosen) => onSearch({ ...search, state: chosen === 'all' ? '' : chosen })} />
      </div>
      <div className={failure === undefined ? styles['main'] : `${styles['main']} stale`}>
        <Drawing document={document} rates={rates} state={state} selection={selection} onSelect={setSelection} />
        <Details document={document} rates={rates} selection={selection} onSelect={setSelection} />
      </div>
      <div>
        <ConnectionTable connections={document.connections} at={document.at} rates={rates} filter={filter} onText={(find) => onSearch({ ...search, find })} selection={selection} onSelect={setSelection} />
      </div>
    </div>
  )
}
