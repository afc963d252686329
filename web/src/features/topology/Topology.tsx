import type { ReactElement } from 'react'
export function Topology(_props: { readonly session: unknown; readonly call?: string; readonly onRefused: unknown }): ReactElement {
  return <p>…</p>
}
