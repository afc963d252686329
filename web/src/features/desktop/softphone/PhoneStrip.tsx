import { Link } from '@tanstack/react-router'
import type { ReactElement } from 'react'
import { t } from '../../../lib/i18n'
import { Button, buttonClass } from '../../../ui/Button'
import { Glyph } from '../../../ui/state-glyphs'
import { softphone } from '../softphone'
import type { PhoneCall, SoftphoneState } from '../softphone-state'
import { useSoftphone } from '../use-softphone'
import styles from './PhoneStrip.module.css'

/** The phone of this browser, on pages that are not the desktop: who rings or talks, and what can be done by the phone alone. */
export function PhoneStrip(): ReactElement | null {
  return <Strip phone={useSoftphone()} />
}

export function Strip({ phone }: { readonly phone: SoftphoneState }): ReactElement | null {
  const { phase, calls, isMuted } = phone
  const isGone = phase.kind === 'lost' || phase.kind === 'failed'
  if (calls.length === 0 && !isGone) return null
  const hasOther = calls.some((call) => call.phase !== 'ringing')
  return (
    <section aria-label={t('phone.title')} className={styles['strip']} data-strip={phase.kind}>
      {isGone ? (
        <p role="alert" className={styles['call']}>
          <Glyph name="warning" />
          {t(phase.kind === 'lost' ? 'phone.lost' : 'phone.failed')}
        </p>
      ) : null}
      {calls.map((call) => (
        <StripCall key={call.id} call={call} isSecond={hasOther} />
      ))}
      {calls.some((call) => call.phase === 'talking') ? (
        <Button pressed={isMuted} onClick={() => softphone.mute(!isMuted)}>
          {t('phone.mute')}
        </Button>
      ) : null}
      {isMuted ? <p role="status">{t('phone.muted')}</p> : null}
      <Link to="/desktop" className={buttonClass()}>
        {t('apps.desktop')}
      </Link>
    </section>
  )
}

/** `isSecond`: somebody is talked to already, whom the phone alone cannot put on hold. */
function StripCall({ call: { id, number, phase }, isSecond }: { readonly call: PhoneCall; readonly isSecond: boolean }): ReactElement {
  const who = number === '' ? t('phone.unknownNumber') : number
  const rings = phase === 'ringing'
  return (
    <div role="group" aria-label={who} className={styles['call']} data-strip-call={phase}>
      <Glyph name={rings ? 'ringing' : 'talking'} />
      <p role={rings ? 'alert' : undefined}>{rings ? t('phone.rings', { who }) : t('phone.talks', { who })}</p>
      {rings && isSecond ? <p>{t('phone.rings.second')}</p> : null}
      {rings && !isSecond ? (
        <Button tone="main" label={`${t('phone.answer')}: ${who}`} onClick={() => void softphone.engine()?.answer(id)}>
          {t('phone.answer')}
        </Button>
      ) : null}
      <Button tone="danger" label={`${t('phone.hangUp')}: ${who}`} onClick={() => softphone.engine()?.hangUp(id)}>
        {t('phone.hangUp')}
      </Button>
    </div>
  )
}
