import { lazy, Suspense, useEffect, type ReactElement } from 'react'
import { addTexts, t } from '../../lib/i18n'
import { useAccount } from '../../live/account'
import { Notice } from '../../ui/Notice'
import { Button } from '../../ui/Button'
import { PageTitle } from '../../ui/PageTitle'
import { ConnectionNote } from './ConnectionNote'
import type { Desk } from './desk'
import type { DeskState } from './desk-state'
import { PlaceForm } from './PlaceForm'
import { TeamSlot } from './TeamSlot'
import { Troubles } from './Troubles'
import { useDesk } from './use-desk'
import { asSentence, whoOf, wordsOf } from './words'
import styles from './Desktop.module.css'

/** What is only needed at work is loaded while the session begins. */
const loadWork = async (): Promise<{ readonly default: typeof import('./Work').Work }> => {
  const [{ Work }] = await Promise.all([import('./Work'), addTexts('desktop-work')])
  return { default: Work }
}
const Work = lazy(loadWork)

/** What makes the page a phone. Without it the desk works with phones of their own. */
const PhoneOfDesk = lazy(async () => {
  const nothing: typeof import('./PhoneOfDesk').PhoneOfDesk = () => null
  const loaded = await import('./PhoneOfDesk').catch(() => ({ PhoneOfDesk: nothing }))
  return { default: loaded.PhoneOfDesk }
})

/** An agent's desktop: from the choice of a place to the logout. */
export function Desktop(): ReactElement {
  const [desk, state] = useDesk()
  const account = useAccount()
  // Whoever has signed in again in another tab goes on here.
  useEffect(() => {
    if (account.kind === 'in' && desk.state().phase.kind === 'not-begun') desk.retry()
  }, [account.kind, desk])
  useEffect(() => void loadWork().catch(() => undefined), [])
  useEmbedding(desk)
  useFocusOnContent(state.phase.kind)
  const ringing = state.calls.find(({ phase }) => phase === 'Ringing')
  return (
    <>
      <PageTitle title={ringing === undefined ? t('apps.desktop') : t('desk.ringingTitle', { who: whoOf(ringing) })} of={t('apps.desktop')} />
      <div className={styles['desktop']}>
        <ConnectionNote desk={desk} state={state} />
        <Troubles desk={desk} troubles={state.troubles} />
        <Content desk={desk} state={state} />
        <Suspense fallback={null}>
          <PhoneOfDesk desk={desk} state={state} />
        </Suspense>
        <TeamSlot desk={desk} state={state} />
      </div>
    </>
  )
}

/** Pages around the desktop ask and hear for as long as it is shown, and are told when nobody works here: what answers them is loaded beside it. */
function useEmbedding(desk: Desk): void {
  useEffect(() => {
    let isOver = false
    let end = (): void => undefined
    const begin = async (): Promise<void> => {
      const { embed } = await import('./embedded')
      if (!isOver) end = embed(desk)
    }
    void begin().catch(() => undefined)
    return () => {
      isOver = true
      end()
    }
  }, [desk])
}

/** What had the focus goes with the form or button that was pressed: reading begins at the content anew. */
function useFocusOnContent(phase: string): void {
  useEffect(() => {
    if (document.activeElement === document.body) document.getElementById('content')?.focus({ preventScroll: true })
  }, [phase])
}

export type DeskProps = { readonly desk: Desk; readonly state: DeskState }

function Content({ desk, state }: DeskProps): ReactElement {
  const { phase } = state
  switch (phase.kind) {
    case 'beginning':
      return <Wait />
    case 'not-begun': {
      const { what, advice } = wordsOf(phase.why)
      return (
        <Notice tone="bad" title={asSentence(what)}>
          <p>{advice}</p>
          <Button tone="main" onClick={desk.retry}>
            {t('desk.retry')}
          </Button>
        </Notice>
      )
    }
    case 'choosing':
    case 'activating':
      return <PlaceForm desk={desk} state={state} />
    case 'left':
      return (
        <Notice tone="plain" title={t('desk.left.title')}>
          <p>{t('desk.left.what')}</p>
          <Button tone="main" onClick={desk.retry}>
            {t('desk.left.again')}
          </Button>
        </Notice>
      )
    case 'working':
      return (
        <Suspense fallback={<Wait />}>
          <Work desk={desk} state={state} />
        </Suspense>
      )
  }
}

function Wait(): ReactElement {
  return (
    <p role="status" className={styles['wait']}>
      {t('desk.beginning')}
    </p>
  )
}
