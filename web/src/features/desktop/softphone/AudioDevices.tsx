import { useId, type ReactElement } from 'react'
import { t } from '../../../lib/i18n'
import { Button } from '../../../ui/Button'
import { Field } from '../../../ui/Field'
import { softphone } from '../softphone'
import { USES, USUAL, usedFor, type AudioDevice, type AudioDevices as Devices, type Use } from './devices'
import styles from './Softphone.module.css'

/** Which microphone, loudspeaker and bell; what is chosen counts at once, also in a call. */
export function AudioDevices({ devices }: { readonly devices: Devices }): ReactElement {
  const id = useId()
  const of = (use: Use): readonly AudioDevice[] => (use === 'microphone' ? devices.microphones : devices.speakers)
  const choose = (use: Use, value: string): void => softphone.engine()?.devices.choose(use, of(use).find((one) => one.id === value) ?? USUAL)
  return (
    <div role="group" aria-label={t('phone.devices')} className={styles['devices']}>
      {USES.filter((use) => use === 'microphone' || devices.speakers.length > 0).map((use) => (
        <Field key={use} id={`${id}-${use}`} label={t(`phone.devices.${use}`)}>
          {(attributes) => (
            <select {...attributes} value={usedFor(use, devices).id} onChange={(event) => choose(use, event.target.value)}>
              <option value="">{t('phone.devices.usual')}</option>
              {of(use).map((device, index) => (
                <option key={device.id} value={device.id}>
                  {device.label === '' ? t('phone.devices.unnamed', { number: index + 1 }) : device.label}
                </option>
              ))}
            </select>
          )}
        </Field>
      ))}
      <label className={styles['check']}>
        <input type="checkbox" checked={devices.isCleaned} onChange={(event) => softphone.engine()?.devices.clean(event.target.checked)} />
        <span>{t('phone.devices.clean')}</span>
      </label>
      <div>
        <Button onClick={() => softphone.engine()?.devices.tryRing()}>{t('phone.devices.try')}</Button>
      </div>
    </div>
  )
}
