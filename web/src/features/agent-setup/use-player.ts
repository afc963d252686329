import { useCallback, useEffect, useRef, useState } from 'react'
import { getPromptAudio } from '../../api/prompt-audio'
import { t } from '../../lib/i18n'
import { wordsOf } from './failures'

export type Player = {
  /** The recording that is being played; empty if none is. */
  readonly playing: string
  readonly trouble: string
  /** Plays a recording, or stops it. */
  readonly toggle: (sha256: string) => void
}

/** Plays recordings, one at a time, as callers hear them. */
export function usePlayer(tenant: string): Player {
  const [playing, setPlaying] = useState('')
  const [trouble, setTrouble] = useState('')
  const sounding = useRef<AudioContext>(undefined)
  /** Which press counts: the answer to an earlier one comes too late. */
  const press = useRef(0)
  const stop = useCallback((): void => {
    press.current += 1
    void sounding.current?.close()
    sounding.current = undefined
  }, [])
  useEffect(() => stop, [stop])
  const play = async (sha256: string): Promise<void> => {
    const mine = press.current
    const answer = await getPromptAudio(tenant, sha256)
    if (press.current !== mine) return
    if (answer.kind !== 'ok') {
      setPlaying('')
      setTrouble(answer.kind === 'failed' ? wordsOf(answer.failure) : t('setup.audio.unheard'))
      return
    }
    const context = new AudioContext()
    const source = context.createBufferSource()
    sounding.current = context
    try {
      source.buffer = await context.decodeAudioData(answer.value)
    } catch {
      setPlaying('')
      setTrouble(t('setup.audio.unheard'))
      return
    }
    source.connect(context.destination)
    source.onended = () => setPlaying((now) => (now === sha256 ? '' : now))
    source.start()
  }
  const toggle = (sha256: string): void => {
    const isPlaying = playing === sha256
    stop()
    setTrouble('')
    setPlaying(isPlaying ? '' : sha256)
    if (!isPlaying) void play(sha256)
  }
  return { playing, trouble, toggle }
}
