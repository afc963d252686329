/** Recordings of prompts at the API of Agent Setup, in and out. */

import { setupPaths } from '../lib/paths'
import { tellReached, tellUnreachable } from '../lib/reached'
import { ask, type Outcome } from './agent-setup'
import type { Read } from './agent-setup-answers'
import { failureOf } from './errors'
import type { components } from './generated/agent-setup'
import { isAudioKept } from './generated/prompt-audio-checks'
import { subjectHeader } from './subject'

export type AudioKept = components['schemas']['AudioKept']

const kept: Read<AudioKept> = (value) => (isAudioKept(value) ? value : undefined)

/** A recording has a few megabytes. */
const DEADLINE_MS = 30_000

/** Uploads a WAV file. No prompt plays it yet. */
export function keepPromptAudio(tenant: string, file: Blob): Promise<Outcome<AudioKept>> {
  return ask(setupPaths.promptAudio(tenant), kept, { table: file, mediaType: 'audio/wav' })
}

/** The WAV file of a recording. */
export async function getPromptAudio(tenant: string, sha256: string): Promise<Outcome<ArrayBuffer>> {
  try {
    const headers = { ...subjectHeader(), Accept: 'audio/wav' }
    const response = await fetch(setupPaths.recording(tenant, sha256), { headers, signal: AbortSignal.timeout(DEADLINE_MS) })
    tellReached()
    return response.ok ? { kind: 'ok', value: await response.arrayBuffer() } : { kind: 'failed', failure: await failureOf(response) }
  } catch (error) {
    tellUnreachable()
    return { kind: 'failed', failure: { kind: 'unreachable', detail: String(error) } }
  }
}
