import type { ReactElement } from 'react'
export function Traces(_props: { readonly session: unknown; readonly call?: string; readonly onRefused: unknown }): ReactElement {
  return <p>…</p>
}
