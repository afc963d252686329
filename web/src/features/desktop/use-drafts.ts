/** Between what is typed into the data of calls and the desk: when it is saved. */

import { useEffect, useRef, useSyncExternalStore } from 'react'
import type { Call } from '../../api/workspace-shapes'
import { tellHeld } from '../../lib/unsaved'
import { backOffMs } from '../../live/back-off'
import type { Desk } from './desk'
import type { DeskState } from './desk-state'
import { drafts, type Draft, type SaveData } from './drafts'
import { whoOf } from './words'

export const UPDATE = 'update-user-data'
/** So often what is refused is tried again by itself: a later loss and return, a press or another letter tries it anew. */
const TRIES_MAX = 8

const saveBy =
  (desk: Desk): SaveData =>
  (call, key, value) =>
    desk.ask(UPDATE, call.id, { userData: [{ key, type: 'str', value }] })

const mayChange = ({ capabilities }: Call): boolean => capabilities.includes(UPDATE)

/** Saves what is typed about these calls; whether the server has taken all of it. */
export function saveAll(desk: Desk, calls: readonly Call[]): Promise<boolean> {
  return drafts.flush(calls.filter(mayChange), saveBy(desk))
}

/** Is done with a call once what was typed about it is taken: nobody can save it afterwards. */
export async function completeSaved(desk: Desk, call: Call): Promise<boolean> {
  return (await saveAll(desk, [call])) && (await desk.ask('complete', call.id))
}

export function useAllDrafts(): readonly Draft[] {
  return useSyncExternalStore(drafts.onChange, drafts.all, drafts.all)
}

/** Whether it would come to the server now; while nothing is heard, it waits for that. */
const isHeard = (desk: Desk, call: Call): boolean => desk.state().connection.kind === 'live' && desk.state().calls.some(({ id }) => id === call.id)

export type DraftOf = { readonly value: string; readonly isUnsaved: boolean; readonly isRefused: boolean; readonly type: (value: string) => void; readonly save: () => void; readonly drop: () => void }

/** What is typed into one field of a call. It is saved also where the field goes. */
export function useDraft(desk: Desk, call: Call, key: string, told: string): DraftOf {
  const draft = useSyncExternalStore(
    drafts.onChange,
    () => drafts.of(call, key),
    () => drafts.of(call, key),
  )
  const isUnsaved = draft !== undefined && draft.value !== told
  const save = (): void => {
    const now = drafts.of(call, key)
    if (now !== undefined && now.state !== 'taken' && mayChange(call) && isHeard(desk, call)) void drafts.save(call, key, saveBy(desk))
  }
  const latest = useRef(save)
  useEffect(() => {
    latest.current = save
  })
  useEffect(() => () => latest.current(), [])
  return {
    value: draft?.value ?? told,
    isUnsaved,
    isRefused: draft?.state === 'refused',
    type: (value) => drafts.type(call, whoOf(call), key, value),
    save,
    drop: () => (draft === undefined ? undefined : drafts.drop(draft)),
  }
}

/** Keeps what is typed in step with the desk: what was not taken is saved once the server is heard again, and tried again while it refuses. */
export function useDraftKeeping(desk: Desk, { user, calls, connection, troubles }: DeskState): void {
  const all = useAllDrafts()
  const userName = user?.userName ?? ''
  useEffect(() => drafts.begin(userName), [userName])
  const isLive = connection.kind === 'live'
  useEffect(() => {
    if (isLive) drafts.told(calls)
  }, [calls, isLive])
  const tries = useRef(0)
  useEffect(() => {
    tries.current = 0
    if (isLive) void saveAll(desk, desk.state().calls)
  }, [desk, isLive])
  const trouble = troubles.filter(({ what }) => what === UPDATE).at(-1)?.number
  useEffect(() => {
    if (trouble !== undefined) drafts.refused()
  }, [trouble])
  const isRefused = all.some(({ state }) => state === 'refused')
  useEffect(() => {
    if (all.length === 0) tries.current = 0
    if (!isRefused || !isLive || tries.current >= TRIES_MAX) return undefined
    const again = (): void => {
      tries.current += 1
      void saveAll(desk, desk.state().calls)
    }
    const timer = setTimeout(again, backOffMs(tries.current + 1, Math.random()))
    return () => clearTimeout(timer)
  }, [desk, all, isRefused, isLive])
  const isOpen = all.some(({ state }) => state !== 'taken')
  useEffect(() => tellHeld('notes', isOpen), [isOpen])
}
