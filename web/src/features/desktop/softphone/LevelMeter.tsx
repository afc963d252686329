import { useEffect, useRef, type ReactElement } from 'react'
import { t } from '../../../lib/i18n'
import { softphone } from '../softphone'
import styles from './Softphone.module.css'

const EACH_MS = 100

/** How loud the microphone is, so that whoever is not heard sees where it fails. */
export function LevelMeter(): ReactElement {
  const meter = useRef<HTMLMeterElement>(null)
  useEffect(() => {
    // Without rendering: ten times a second.
    const timer = setInterval(() => {
      if (meter.current !== null) meter.current.value = softphone.engine()?.level() ?? 0
    }, EACH_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <div className={styles['level']}>
      <span aria-hidden="true">{t('phone.level')}</span>
      <meter ref={meter} min={0} max={1} value={0} aria-label={t('phone.level')} className={styles['meter']} />
    </div>
  )
}
