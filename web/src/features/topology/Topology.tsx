import { useMemo, useState, type ReactElement } from 'react'
import { wordsOf, type Failure } from '../../api/errors'
import { isTopology } from '../../api/generated/operations-checks'
import type { Session } from '../../api/session'
import { usePolled } from '../../live/use-polled'
import { messages } from '../../lib/messages'
import { apiPaths } from '../../lib/paths'
import { useAddressValue } from '../../lib/use-address-value'
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
}

/** The drawing, alive: every declared connection with its state and traffic. */
export function Topology({ session, onRefused }: TopologyProps): ReactElement {
  const polled = usePolled(session, apiPaths.topology(), isTopology, eachTwoSeconds)
  switch (polled.kind) {
    case 'refused':
      return onRefused(polled.failure)
    case 'loading':
    case 'failing':
      return (
        <>
          <PageTitle title={messages.pages.topology} />
          <Notice tone={polled.kind === 'loading' ? 'plain' : 'bad'} title={polled.kind === 'loading' ? messages.loading : wordsOf(polled.failure)}>
            {polled.kind === 'failing' ? <p>{messages.advice.wait}</p> : null}
          </Notice>
        </>
      )
    case 'shown':
      return <Shown document={polled.value} last={polled.last} failure={polled.failure} />
  }
}

type ShownProps = { readonly document: Document; readonly last: Document | undefined; readonly failure: Failure | undefined }

function Shown({ document, last, failure }: ShownProps): ReactElement {
  const [selection, setSelection] = useState<Selection>({ kind: 'none' })
  const [words, setWords] = useAddressValue('find')
  const [stateText, setState] = useAddressValue('state')
  const state = STATES.find((known) => known === stateText) ?? 'all'
  const filter: Filter = { text: words, state }
  const rates: Rates = useMemo(() => (failure === undefined ? ratesBetween(last, document) : new Map()), [last, document, failure])
  return (
    <div className={styles['page']}>
      <PageTitle title={messages.pages.topology} />
      {failure === undefined ? null : <Banner what={wordsOf(failure)} at={document.at} />}
      <div className={styles['top']}>
        <CoverageNumber coverage={document.coverage} />
        <Legend connections={document.connections} state={state} onState={(chosen) => setState(chosen === 'all' ? '' : chosen)} />
      </div>
      <div className={failure === undefined ? styles['main'] : `${styles['main']} stale`}>
        <Drawing document={document} rates={rates} state={state} selection={selection} onSelect={setSelection} />
        <Details document={document} rates={rates} selection={selection} onSelect={setSelection} />
      </div>
      <div>
        <ConnectionTable connections={document.connections} at={document.at} rates={rates} filter={filter} onText={setWords} selection={selection} onSelect={setSelection} />
      </div>
    </div>
  )
}
