/** What each address shows: the feature with the session that it needs. */

import { getRouteApi } from '@tanstack/react-router'
import { lazy, type ReactElement } from 'react'
import { whyNoTenant } from '../../api/session'
import { Wallboard } from '../../features/wallboard/Wallboard'
import { useSignedIn } from './signed-in'

const Topology = lazy(async () => ({ default: (await import('../../features/topology/Topology')).Topology }))
const Traces = lazy(async () => ({ default: (await import('../../features/trace/Traces')).Traces }))
const Trace = lazy(async () => ({ default: (await import('../../features/trace/Trace')).Trace }))

export function WallboardPage(): ReactElement {
  const { session, onRefused } = useSignedIn()
  if (session.tenant === '') return onRefused(whyNoTenant(session))
  return <Wallboard session={session} onRefused={onRefused} />
}

const topologyRoute = getRouteApi('/dashboards/topology')

export function TopologyPage(): ReactElement {
  const { session, onRefused } = useSignedIn()
  const search = topologyRoute.useSearch()
  const navigate = topologyRoute.useNavigate()
  return <Topology session={session} onRefused={onRefused} search={search} onSearch={(next) => void navigate({ search: next, replace: true, resetScroll: false })} />
}

export function TracesPage(): ReactElement {
  const { session, onRefused } = useSignedIn()
  if (session.tenant === '') return onRefused(whyNoTenant(session))
  return <Traces session={session} onRefused={onRefused} />
}

const traceRoute = getRouteApi('/dashboards/trace/$call')

export function TracePage(): ReactElement {
  const { session, onRefused } = useSignedIn()
  const { call } = traceRoute.useParams()
  if (session.tenant === '') return onRefused(whyNoTenant(session))
  return <Trace key={call} session={session} call={call} onRefused={onRefused} />
}
