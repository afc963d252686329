/** What agents type into the data of calls, until the server has it: it outlasts an outage, another call that is shown, a session that ends, and a page that is loaded again. */

import type { Call } from '../../api/workspace-shapes'
import { NOTES_KEPT } from '../../lib/unsaved'
import { continues } from './missed'

export type Draft = {
  /** The id under which it was typed, and the call for the rest of the world. */
  readonly call: string
  readonly uuid: string
  readonly who: string
  readonly key: string
  readonly value: string
  /** `taken`: the server has said that it takes it; it goes once the call is told with it. */
  readonly state: 'typed' | 'asking' | 'refused' | 'taken'
}

/** Asks the server for it; whether it was accepted. */
export type SaveData = (call: Call, key: string, value: string) => Promise<boolean>

export type Drafts = {
  readonly all: () => readonly Draft[]
  readonly onChange: (read: () => void) => () => void
  /** Who works here: what others have left in the tab is not shown to them. */
  readonly begin: (user: string) => void
  readonly of: (call: Call, key: string) => Draft | undefined
  readonly type: (call: Call, who: string, key: string, value: string) => void
  readonly save: (call: Call, key: string, by: SaveData) => Promise<boolean>
  /** Saves all of these calls that was not taken yet; whether all of it was. */
  readonly flush: (calls: readonly Call[], by: SaveData) => Promise<boolean>
  /** The calls as they are told now. */
  readonly told: (calls: readonly Call[]) => void
  /** What was taken was refused afterwards. */
  readonly refused: () => void
  readonly drop: (draft: Draft) => void
}

const DRAFTS_MAX = 100

const valueOf = ({ data }: Call, key: string): string => data.filter((pair) => pair.key === key).map(({ value }) => value).join(', ')

/** Whether something was typed about that call, also where it goes on under another id. */
export function isAbout(draft: Pick<Draft, 'call' | 'uuid'>, call: Call): boolean {
  return draft.call === call.id || (draft.uuid !== '' && draft.uuid === call.uuid && call.type !== 'Consult') || continues(call, { id: draft.call })
}

/** What is left of them once the calls are told: what the server has is done with, and so is what it has taken of calls that are gone. */
export function stillOpen(drafts: readonly Draft[], calls: readonly Call[]): readonly Draft[] {
  const left = drafts.filter((draft) => {
    const call = calls.find((one) => isAbout(draft, one))
    return call === undefined ? draft.state !== 'taken' : valueOf(call, draft.key) !== draft.value
  })
  return left.length === drafts.length ? drafts : left
}

/** Those whose call is not there any more: nobody can save them. */
export function orphans(drafts: readonly Draft[], calls: readonly Call[]): readonly Draft[] {
  return drafts.filter((draft) => ['typed', 'refused'].includes(draft.state) && draft.value !== '' && calls.every((call) => !isAbout(draft, call)))
}

/** Those that were kept, of that person. */
export function keptFor(user: string, text: string | null): readonly Draft[] {
  try {
    const found: unknown = JSON.parse(text ?? '')
    if (typeof found !== 'object' || found === null || !('user' in found) || found.user !== user || !('drafts' in found) || !Array.isArray(found.drafts)) return []
    return found.drafts.flatMap(keptOne).slice(-DRAFTS_MAX)
  } catch {
    return []
  }
}

function keptOne(value: unknown): readonly Draft[] {
  const of = new Map<string, unknown>(Object.entries(value ?? {}))
  const text = (name: string): string => {
    const found = of.get(name)
    return typeof found === 'string' ? found : ''
  }
  const [call, key] = [text('call'), text('key')]
  return call === '' || key === '' ? [] : [{ call, key, uuid: text('uuid'), who: text('who'), value: text('value'), state: 'typed' }]
}

export function newDrafts(keep: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined): Drafts {
  let drafts: readonly Draft[] = []
  let user: string | undefined
  const readers = new Set<() => void>()
  const set = (next: readonly Draft[]): void => {
    if (next === drafts) return
    drafts = next
    try {
      if (drafts.length === 0) keep?.removeItem(NOTES_KEPT)
      else keep?.setItem(NOTES_KEPT, JSON.stringify({ user, drafts }))
    } catch {
      // There is no room: the page itself has it still.
    }
    for (const read of readers) read()
  }
  const find = (call: Call, key: string): Draft | undefined => drafts.find((draft) => draft.key === key && draft.call === call.id) ?? drafts.find((draft) => draft.key === key && isAbout(draft, call))
  const become = (draft: Draft, state: Draft['state']): Draft => {
    const next = { ...draft, state }
    set(drafts.map((one) => (one === draft ? next : one)))
    return next
  }
  const save = async (call: Call, key: string, by: SaveData): Promise<boolean> => {
    const draft = find(call, key)
    if (draft === undefined) return true
    const asking = become(draft, 'asking')
    const isTaken = await by(call, key, draft.value)
    // What was typed meanwhile is another one, and is asked for by itself.
    if (drafts.includes(asking)) become(asking, isTaken ? 'taken' : 'refused')
    return isTaken
  }
  return {
    all: () => drafts,
    onChange: (read) => {
      readers.add(read)
      return () => readers.delete(read)
    },
    begin: (who) => {
      if (who === '' || who === user) return
      user = who
      set(keptFor(who, keep?.getItem(NOTES_KEPT) ?? null))
    },
    of: find,
    type: (call, who, key, value) => {
      const before = find(call, key)
      const rest = drafts.filter((draft) => draft !== before)
      // What is typed back is nothing to save, unless another value is under way.
      const isBack = value === valueOf(call, key) && (before === undefined || before.state === 'typed' || before.state === 'refused')
      set(isBack ? rest : [...rest, { call: call.id, uuid: call.uuid, who, key, value, state: 'typed' } as const].slice(-DRAFTS_MAX))
    },
    save,
    flush: async (calls, by) => {
      const open = calls.flatMap((call) => drafts.filter((draft) => draft.state !== 'taken' && find(call, draft.key) === draft).map(({ key }) => ({ call, key })))
      const done = await Promise.all(open.map(({ call, key }) => save(call, key, by)))
      return done.every(Boolean)
    },
    told: (calls) => set(stillOpen(drafts, calls)),
    refused: () => {
      for (const draft of drafts) if (draft.state === 'taken') become(draft, 'refused')
    },
    drop: (draft) => set(drafts.filter((one) => one !== draft)),
  }
}

/** Those of the tab: they are there also while another page is looked at. */
export const drafts = newDrafts(typeof sessionStorage === 'undefined' ? undefined : sessionStorage)
