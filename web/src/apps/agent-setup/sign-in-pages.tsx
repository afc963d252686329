/** The page about who has signed in: loaded when it is opened. */

import { getRouteApi } from '@tanstack/react-router'
import { useMemo, type ReactElement } from 'react'
import { SignIns } from '../../features/agent-setup/SignIns'
import { given } from './given'
import { useTenant } from './tenant'

const route = getRouteApi('/agent-setup/sign-ins')

export function SignInsPage(): ReactElement {
  const tenant = useTenant()
  const { person = '', event = '', since = '', until = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const filter = useMemo(() => ({ person, event, since, until }), [person, event, since, until])
  return <SignIns tenant={tenant} filter={filter} onFilter={(wanted) => void navigate({ search: given(wanted), resetScroll: false })} />
}
