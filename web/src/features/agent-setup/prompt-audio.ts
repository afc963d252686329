/** What a prompt plays in which language, and what of a file can be told before it is sent. */

import type { JsonObject } from '../../api/agent-setup'
import { at, isList, isObject } from './document'

export type Recording = { readonly language: string; readonly sha256: string }

/** The largest file that the server takes. */
export const FILE_BYTES_MAX = 32 * 1024 * 1024
/** Louder than this a recording may be cut off at its peaks; quieter than the other one it is hard to hear. */
const CUT_OFF_DB = -0.1
const QUIET_DB = -20

/** The recordings of a prompt, first the one that is played where no language is asked for. */
export function recordingsOf(prompt: JsonObject): readonly Recording[] {
  const held = at(prompt, 'audio')
  const all = isList(held) ? held.filter(isObject) : []
  return all.flatMap(({ language, sha256 }) => (typeof language === 'string' && typeof sha256 === 'string' ? [{ language, sha256 }] : []))
}

const isIn =
  (language: string) =>
  (one: Recording): boolean =>
    one.language.toLowerCase() === language.toLowerCase()

/** With that one in place of the one of its language, or behind the others. */
export function withRecording(all: readonly Recording[], added: Recording): readonly Recording[] {
  return all.some(isIn(added.language)) ? all.map((one) => (isIn(added.language)(one) ? added : one)) : [...all, added]
}

export function withoutRecording(all: readonly Recording[], language: string): readonly Recording[] {
  return all.filter((one) => !isIn(language)(one))
}

/** With the one of that language first. */
export function withFirst(all: readonly Recording[], language: string): readonly Recording[] {
  return [...all.filter(isIn(language)), ...withoutRecording(all, language)]
}

/** Whether the server takes it for a language. */
export function isLanguage(text: string): boolean {
  return text.length <= 35 && /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/.test(text)
}

export type UnfitFile = 'too-large' | 'no-wav'

/** Why a file need not be sent. */
export function whyUnfit({ name, size }: { readonly name: string; readonly size: number }): UnfitFile | undefined {
  if (!/\.wave?$/i.test(name)) return 'no-wav'
  return size > FILE_BYTES_MAX ? 'too-large' : undefined
}

export function loudnessOf(peakDb: number): 'cut-off' | 'quiet' | 'good' {
  if (peakDb > CUT_OFF_DB) return 'cut-off'
  return peakDb < QUIET_DB ? 'quiet' : 'good'
}
