import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { changeObjects, getObject, type Edit, type Outcome, type Stored } from '../../api/agent-setup'
import { keepPromptAudio, type AudioKept } from '../../api/prompt-audio'
import { t } from '../../lib/i18n'
import { refreshAccount } from '../../live/account'
import { wordsOf } from './failures'
import { loudnessOf, recordingsOf, whyUnfit, withRecording, type Recording } from './prompt-audio'
import { noteRefusal } from './refusal'
import { wordsOfRule } from './rules'
import { forgetLists } from './use-change'

export type AudioState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'busy'; readonly words: string }
  | { readonly kind: 'trouble'; readonly words: string }
  | { readonly kind: 'done'; readonly words: string }

export type AudioControl = {
  readonly state: AudioState
  /** Sends a file; then the prompt plays it in that language. */
  readonly upload: (file: File, language: string) => void
  /** The prompt plays these. */
  readonly put: (recordings: readonly Recording[]) => void
}

/** Why nothing was done. */
function troubleOf(outcome: Exclude<Outcome<unknown>, { readonly kind: 'ok' }>): string {
  if (outcome.kind === 'conflict') return t('setup.audio.conflict')
  if (outcome.kind === 'faults') return outcome.faults.map((fault) => wordsOfRule(fault)).join(' ')
  noteRefusal(outcome.failure)
  return wordsOf(outcome.failure)
}

function wordsOfKept({ length_ms: length, peak_db: peak }: AudioKept): string {
  const said = t('setup.audio.kept', { seconds: (length / 1_000).toFixed(1), peak: peak.toFixed(1) })
  const loudness = loudnessOf(peak)
  if (loudness === 'cut-off') return `${said} ${t('setup.audio.cutOff')}`
  return loudness === 'quiet' ? `${said} ${t('setup.audio.quiet')}` : said
}

/** Changes what a prompt plays. It is saved at once: a form that is being filled in is not part of it. */
export function usePromptAudio(tenant: string, prompt: Stored, onChanged: (stored: Stored) => void): AudioControl {
  const queries = useQueryClient()
  const [state, setState] = useState<AudioState>({ kind: 'idle' })
  const save = async (recordings: readonly Recording[], done: string): Promise<void> => {
    setState({ kind: 'busy', words: t('setup.audio.saving') })
    const object = { audio: recordings.map(({ language, sha256 }) => ({ language, sha256 })) }
    const edit: Edit = { kind: 'prompt', id: prompt.id, action: 'merge', expected_revision: prompt.revision, object, fields: ['audio'] }
    await refreshAccount()
    const outcome = await changeObjects(tenant, crypto.randomUUID(), false, [edit])
    const now = await getObject(tenant, 'prompt', prompt.id)
    void forgetLists(queries, tenant)
    if (now.kind === 'ok') onChanged(now.value)
    setState(outcome.kind === 'ok' ? { kind: 'done', words: done } : { kind: 'trouble', words: troubleOf(outcome) })
  }
  const send = async (file: File, language: string): Promise<void> => {
    const unfit = whyUnfit(file)
    if (unfit !== undefined) return setState({ kind: 'trouble', words: t(unfit === 'no-wav' ? 'setup.audio.noWav' : 'setup.audio.tooLarge') })
    setState({ kind: 'busy', words: t('setup.audio.sending') })
    const kept = await keepPromptAudio(tenant, file)
    if (kept.kind !== 'ok') return setState({ kind: 'trouble', words: troubleOf(kept) })
    await save(withRecording(recordingsOf(prompt.object), { language, sha256: kept.value.sha256 }), wordsOfKept(kept.value))
  }
  return {
    state,
    upload: (file, language) => void send(file, language),
    put: (recordings) => void save(recordings, t('setup.audio.saved')),
  }
}
