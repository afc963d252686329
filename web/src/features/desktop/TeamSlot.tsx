import { lazy, Suspense, useState, type ReactElement } from 'react'
import { addTexts, t } from '../../lib/i18n'
import { useAccount } from '../../live/account'
import type { DeskProps } from './Desktop'
import { KeyedButton } from './KeyedButton'

/** Loaded only for who looks after others. */
const Team = lazy(async () => {
  const [{ TeamView }] = await Promise.all([import('./team/TeamView'), addTexts('team'), addTexts('course'), addTexts('desktop-work')])
  return { default: TeamView }
})

const SUPERVISOR = 'supervisor'

/** The team, for a supervisor who wants to see it; also before a place is chosen. */
export function TeamSlot({ desk, state }: DeskProps): ReactElement | null {
  const account = useAccount()
  const [isOpen, setOpen] = useState(false)
  const isThere = ['choosing', 'activating', 'working'].includes(state.phase.kind)
  if (!isThere || !('account' in account) || !account.account.privileges.includes(SUPERVISOR)) return null
  return (
    <>
      <div>
        <KeyedButton keys="y" text={t('desk.team')} pressed={isOpen} onRun={() => setOpen(!isOpen)} />
      </div>
      {isOpen ? (
        <Suspense fallback={<p role="status">{t('loading')}</p>}>
          <Team desk={desk} state={state} />
        </Suspense>
      ) : null}
    </>
  )
}
