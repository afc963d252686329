import type { ReactElement } from 'react'
import type { DeskProps } from './Desktop'
import { Directory } from './Directory'
import { OwnNumbers } from './OwnNumbers'
import { ParkedCalls } from './ParkedCalls'

/** What stands beside calls: those that are parked, whom one can call, and numbers. */
export function BesideCalls({ desk, state }: DeskProps): ReactElement {
  return (
    <>
      <ParkedCalls desk={desk} state={state} />
      <Directory desk={desk} state={state} />
      <OwnNumbers desk={desk} state={state} />
    </>
  )
}
