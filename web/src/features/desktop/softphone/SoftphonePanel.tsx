import { useEffect, useState, type ReactElement } from 'react'
import { t } from '../../../lib/i18n'
import { Button } from '../../../ui/Button'
import { Glyph, type GlyphName } from '../../../ui/state-glyphs'
import { KeyedButton } from '../KeyedButton'
import { softphone } from '../softphone'
import { isTalking, type PhoneCall, type SoftphoneState } from '../softphone-state'
import styles from '../Desktop.module.css'
import { AudioDevices } from './AudioDevices'
import { wordOf, type CallQuality } from './call-quality'
import { missingUses, usedFor } from './devices'
import { LevelMeter } from './LevelMeter'

export type SoftphonePanelProps = {
  readonly phone: SoftphoneState
  /** Calls of the phone that the desk does not show. */
  readonly alone: readonly PhoneCall[]
}

/** The phone in this browser: whether it can be called, whether one is heard and how well, and by which devices. */
export function SoftphonePanel({ phone, alone }: SoftphonePanelProps): ReactElement {
  const { phase, isMuted, devices, quality } = phone
  const [isOpen, setOpen] = useState(false)
  const { glyph, text, what } = phaseWords(phone)
  const talks = isTalking(phone)
  const missing = missingUses(devices)
  const isHere = phase.kind !== 'elsewhere'
  return (
    <section aria-label={t('phone.title')} className={styles['panel']} data-phone={phase.kind} data-muted={isMuted} data-devices={`${devices.microphones.length} ${usedFor('microphone', devices).id === '' ? 'usual' : 'chosen'}`}>
      <p className={`${styles['state']} ${styles[glyph] ?? ''}`}>
        <Glyph name={glyph} />
        <span aria-live="polite">{text}</span>
      </p>
      {phase.kind === 'ready' ? <BellNote /> : null}
      {what === '' ? null : <p role={phase.kind === 'failed' ? 'alert' : undefined}>{what}</p>}
      {isMuted ? (
        <p role="status" className={styles['strong']}>
          {t('phone.muted')}
        </p>
      ) : null}
      {talks ? <LevelMeter /> : null}
      {quality === undefined || !talks ? null : <Quality quality={quality} />}
      {missing.length === 0 || !isHere ? null : <p role="status">{t('phone.devices.missing', { devices: missing.map((use) => devices.chosen[use].label || t(`phone.devices.${use}`)).join(', ') })}</p>}
      {alone.map((call) => (
        <CallAlone key={call.id} call={call} />
      ))}
      <div className={styles['buttons']}>
        {phase.kind === 'failed' ? (
          <Button tone="main" onClick={softphone.retry}>
            {t('phone.retry')}
          </Button>
        ) : null}
        {talks ? <KeyedButton keys="m" text={t('phone.mute')} pressed={isMuted} onRun={() => softphone.mute(!isMuted)} /> : null}
        {isHere ? (
          <Button pressed={isOpen} onClick={() => setOpen(!isOpen)}>
            {t('phone.devices')}
          </Button>
        ) : null}
      </div>
      {isOpen && isHere ? <AudioDevices devices={devices} /> : null}
    </section>
  )
}

/** That a browser lets no page sound in which nobody has pressed anything, as after it was loaded anew; gone with the first press. */
function BellNote(): ReactElement | null {
  const [isSilent, setSilent] = useState(() => typeof navigator !== 'undefined' && navigator.userActivation?.hasBeenActive === false)
  useEffect(() => {
    const pressed = (): void => setSilent(navigator.userActivation?.hasBeenActive === false)
    for (const kind of PRESSES) addEventListener(kind, pressed)
    return () => {
      for (const kind of PRESSES) removeEventListener(kind, pressed)
    }
  }, [])
  return isSilent ? <p role="status">{t('phone.bell')}</p> : null
}

const PRESSES = ['pointerup', 'keydown', 'click'] as const

/** A call comes to the phone a moment before the desk is told of it. */
const DESK_MS = 1_500

/** What can be done with a call by SIP alone. */
function CallAlone({ call }: { readonly call: PhoneCall }): ReactElement | null {
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), DESK_MS)
    return () => clearTimeout(timer)
  }, [])
  if (!isLate) return null
  const who = call.number === '' ? t('phone.unknownNumber') : call.number
  return (
    <div role="group" aria-label={who} data-alone={call.phase}>
      <p className={styles['strong']}>{who}</p>
      <p role="status">{t('phone.alone')}</p>
      <p className={styles['buttons']}>
        {call.phase === 'ringing' ? (
          <Button tone="main" label={`${t('phone.answer')}: ${who}`} onClick={() => void softphone.engine()?.answer(call.id)}>
            {t('phone.answer')}
          </Button>
        ) : null}
        <Button tone="danger" label={`${t('phone.hangUp')}: ${who}`} onClick={() => softphone.engine()?.hangUp(call.id)}>
          {t('phone.hangUp')}
        </Button>
      </p>
    </div>
  )
}

function Quality({ quality }: { readonly quality: CallQuality }): ReactElement {
  const word = wordOf(quality)
  const numbers = { mos: quality.mos.toFixed(1), jitter: Math.round(quality.jitterMs), loss: quality.lossPercent.toFixed(1) }
  return (
    <div data-quality={word}>
      <p className={word === 'good' ? undefined : styles['strong']}>{t(`phone.quality.${word}`)}</p>
      <p className={styles['quiet']}>{t('phone.quality.numbers', numbers)}</p>
      {word === 'poor' ? <p>{t('phone.quality.advice')}</p> : null}
    </div>
  )
}

function phaseWords({ phase, calls }: SoftphoneState): { readonly glyph: GlyphName; readonly text: string; readonly what: string } {
  switch (phase.kind) {
    case 'off':
    case 'starting':
      return { glyph: 'unknown', text: t('phone.starting'), what: '' }
    case 'elsewhere':
      return { glyph: 'notReady', text: t('phone.elsewhere'), what: t('phone.elsewhere.what') }
    case 'lost':
      return { glyph: 'warning', text: t('phone.lost'), what: t('phone.lost.what') }
    case 'failed':
      return { glyph: 'bad', text: t('phone.failed'), what: phase.why === 'refused' ? t('phone.failed.refused', { said: phase.said }) : t(`phone.failed.${phase.why}`) }
    case 'ready':
      if (calls.some((call) => call.phase === 'talking')) return { glyph: 'talking', text: t('phone.inCall'), what: '' }
      return calls.length > 0 ? { glyph: 'ringing', text: t('phone.ringing'), what: '' } : { glyph: 'ready', text: t('phone.ready'), what: '' }
  }
}
