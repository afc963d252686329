/** Presses that change calls: the other half of a double press is not meant, for it would undo the first one where a button has taken its place; and what is asked for stays marked
 *  until it is told. */

import { useSyncExternalStore } from 'react'
import { LOOK_MS } from '../../lib/shortcuts'
import type { Desk } from './desk'
import type { DeskState } from './desk-state'

/** What of buttons is off: all of them just after a press; later those alone whose press is not told yet. */
export type PressesShown = { readonly isLooking: boolean; readonly pending: readonly string[] }

export type Presses = {
  readonly shown: () => PressesShown
  readonly onChange: (read: () => void) => () => void
  /** Does it, unless it is off. `slot`: what shares a place or key is one. */
  readonly press: (slot: string, desk: Pick<Desk, 'state' | 'onChange'>, does: () => Promise<boolean>) => void
}

/** What was accepted and is not told for so long is pressed again by who still wants it. */
const TOLD_WITHIN_MS = 5_000
const PENDING_MAX = 20

const NONE: PressesShown = { isLooking: false, pending: [] }

/** What a desk shows that an operation changes. */
const picture = ({ calls, dn, troubles }: DeskState): string =>
  JSON.stringify([calls.map(({ id, phase, capabilities, participants }) => [id, phase, capabilities, participants]), dn?.state, dn?.workMode, dn?.until, dn?.isUndisturbed, dn?.forwardTo, troubles.at(-1)?.number])

/** Settles once the picture is another one, or after the time. */
function changed(desk: Pick<Desk, 'state' | 'onChange'>, before: string, later: Later): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (picture(desk.state()) !== before) end()
    }
    const stop = desk.onChange(look)
    const end = (): void => {
      stop()
      resolve()
    }
    later(end, TOLD_WITHIN_MS)
    look()
  })
}

type Later = (run: () => void, ms: number) => void

export function newPresses(later: Later = setTimeout): Presses {
  let shown = NONE
  let presses = 0
  const readers = new Set<() => void>()
  const set = (next: PressesShown): void => {
    shown = next
    for (const read of readers) read()
  }
  const pause = (ms: number): Promise<void> => new Promise((resolve) => later(resolve, ms))
  const run = async (slot: string, desk: Pick<Desk, 'state' | 'onChange'>, does: () => Promise<boolean>): Promise<void> => {
    presses += 1
    const mine = presses
    const before = picture(desk.state())
    set({ isLooking: true, pending: [...shown.pending, slot].slice(-PENDING_MAX) })
    const looked = pause(LOOK_MS).then(() => (mine === presses ? set({ ...shown, isLooking: false }) : undefined))
    if (await does()) await changed(desk, before, later)
    await looked
    set({ ...shown, pending: shown.pending.filter((one) => one !== slot) })
  }
  return {
    shown: () => shown,
    onChange: (read) => {
      readers.add(read)
      return () => readers.delete(read)
    },
    press: (slot, desk, does) => (shown.isLooking || shown.pending.includes(slot) ? undefined : void run(slot, desk, does)),
  }
}

/** Those of the page. */
export const presses = newPresses()

/** What a button says of a slot now. */
export function usePress(): (slot: string) => { readonly isOff: boolean; readonly isBusy: boolean } {
  const { isLooking, pending } = useSyncExternalStore(presses.onChange, presses.shown, presses.shown)
  return (slot) => ({ isOff: isLooking || pending.includes(slot), isBusy: pending.includes(slot) })
}
