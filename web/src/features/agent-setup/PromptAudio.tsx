import { useState, type ReactElement } from 'react'
import type { Stored } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import { mayChange } from './may-make'
import { isLanguage, recordingsOf, withFirst, withoutRecording, type Recording } from './prompt-audio'
import { usePlayer } from './use-player'
import { usePromptAudio } from './use-prompt-audio'
import panels from './Panels.module.css'
import styles from './PromptAudio.module.css'

export type PromptAudioProps = { readonly tenant: string; readonly prompt: Stored; readonly onChanged: (stored: Stored) => void }

/** What callers hear of a prompt, in each language: to listen to, to replace, to remove. */
export function PromptAudio({ tenant, prompt, onChanged }: PromptAudioProps): ReactElement {
  const { state, upload, put } = usePromptAudio(tenant, prompt, onChanged)
  const { playing, trouble, toggle } = usePlayer(tenant)
  const recordings = recordingsOf(prompt.object)
  const isBusy = state.kind === 'busy'
  return (
    <section className={panels['panel']}>
      <h2>{t('setup.audio.title')}</h2>
      {recordings.length === 0 ? (
        <p className={panels['quiet']}>{t('setup.audio.none')}</p>
      ) : (
        <ul className={styles['recordings']}>
          {recordings.map((one, index) => (
            <OneRecording
              key={one.language}
              recording={one}
              isFirst={index === 0}
              isPlaying={playing === one.sha256}
              isBusy={isBusy}
              onPlay={() => toggle(one.sha256)}
              onFirst={() => put(withFirst(recordings, one.language))}
              onRemove={() => put(withoutRecording(recordings, one.language))}
            />
          ))}
        </ul>
      )}
      {trouble === '' ? null : <p role="alert">{trouble}</p>}
      {mayChange() ? <Upload languages={recordings.map(({ language }) => language)} isBusy={isBusy} onFile={upload} /> : null}
      <p role="status">{state.kind === 'busy' || state.kind === 'done' ? state.words : ''}</p>
      {state.kind === 'trouble' ? <Notice tone="bad" title={state.words} /> : null}
      <p className={panels['quiet']}>{t('setup.audio.when')}</p>
    </section>
  )
}

type OneRecordingProps = {
  readonly recording: Recording
  readonly isFirst: boolean
  readonly isPlaying: boolean
  readonly isBusy: boolean
  readonly onPlay: () => void
  readonly onFirst: () => void
  readonly onRemove: () => void
}

function OneRecording({ recording: { language }, isFirst, isPlaying, isBusy, onPlay, onFirst, onRemove }: OneRecordingProps): ReactElement {
  const isReader = !mayChange()
  return (
    <li>
      <strong>{language}</strong>
      {isFirst ? <span className={panels['quiet']}>{t('setup.audio.first')}</span> : null}
      <Button onClick={onPlay} pressed={isPlaying} label={t('setup.audio.listenTo', { language })}>
        {isPlaying ? t('setup.audio.stop') : t('setup.audio.listen')}
      </Button>
      {isFirst || isReader ? null : (
        <Button onClick={onFirst} isOff={isBusy} label={t('setup.audio.makeFirstOf', { language })}>
          {t('setup.audio.makeFirst')}
        </Button>
      )}
      {isReader ? null : (
        <Button tone="danger" onClick={onRemove} isOff={isBusy} label={t('setup.audio.removeOf', { language })}>
          {t('setup.audio.remove')}
        </Button>
      )}
    </li>
  )
}

type UploadProps = { readonly languages: readonly string[]; readonly isBusy: boolean; readonly onFile: (file: File, language: string) => void }

/** A file is chosen or dropped here; one of a language that there is takes its place. */
function Upload({ languages, isBusy, onFile }: UploadProps): ReactElement {
  const [language, setLanguage] = useState(languages[0] ?? 'en')
  const [isOver, setOver] = useState(false)
  const isFit = isLanguage(language)
  const take = (files: FileList | null): void => {
    const [file] = files ?? []
    if (file !== undefined && isFit && !isBusy) onFile(file, language)
  }
  return (
    <div
      className={isOver ? `${styles['drop']} ${styles['over']}` : styles['drop']}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        take(event.dataTransfer.files)
      }}
    >
      <Field id="audio-language" label={t('setup.audio.language')} hint={t('setup.audio.languageHint')} faults={isFit ? [] : [t('setup.audio.noLanguage')]}>
        {(attributes) => <input {...attributes} type="text" value={language} onChange={(event) => setLanguage(event.target.value.trim())} />}
      </Field>
      <Field id="audio-file" label={languages.includes(language) ? t('setup.audio.replace') : t('setup.audio.upload')} hint={t('setup.audio.fileHint')}>
        {(attributes) => (
          <input
            {...attributes}
            type="file"
            accept=".wav,audio/wav"
            disabled={isBusy || !isFit}
            onClick={(event) => {
              // The same file, recorded anew, is a change again.
              event.currentTarget.value = ''
            }}
            onChange={(event) => take(event.target.files)}
          />
        )}
      </Field>
    </div>
  )
}
