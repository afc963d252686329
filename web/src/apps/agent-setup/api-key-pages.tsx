/** The page of API keys: loaded when it is opened. */

import { useCallback, useState, type ReactElement } from 'react'
import { ApiKeys, type Held } from '../../features/agent-setup/ApiKeys'
import { useLeaving, type LeaveWords } from '../../features/agent-setup/leaving'
import { useAccount } from '../../live/account'
import { useTenant } from './tenant'

const WITHOUT_KEY: LeaveWords = { title: 'setup.apiKeys.leaveTitle', what: 'setup.apiKeys.leaveWhat', go: 'setup.apiKeys.leaveGo' }

export function ApiKeysPage(): ReactElement {
  const tenant = useTenant()
  const account = useAccount()
  const [held, setHeld] = useState<Held>('nothing')
  const { onDirty, leave } = useLeaving(held === 'key' ? WITHOUT_KEY : undefined)
  const onHeld = useCallback(
    (now: Held) => {
      setHeld(now)
      onDirty(now !== 'nothing')
    },
    [onDirty],
  )
  return (
    <>
      <ApiKeys tenant={tenant} scopes={'account' in account ? account.account.scopes : []} onHeld={onHeld} />
      {leave}
    </>
  )
}
