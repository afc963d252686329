import { useQuery } from '@tanstack/react-query'
import { useEffect, useId, useState, type FormEvent, type ReactElement } from 'react'
import { readPlace, type DeskFailure } from '../../api/workspace'
import type { Device } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Notice } from '../../ui/Notice'
import { useSettled } from '../../ui/use-settled'
import type { DeskProps } from './Desktop'
import { keepKinds } from './kept-phone-kinds'
import { asSentence, wordsOf } from './words'
import styles from './Desktop.module.css'

const TYPING_MS = 400

/** Where the agent works: the own place, or another one, and which of its phones. */
export function PlaceForm({ desk, state }: DeskProps): ReactElement {
  const { phase, user } = state
  const [typed, setTyped] = useState<string>()
  const [chosen, setChosen] = useState('')
  const id = useId()
  const place = (typed ?? user?.place ?? '').trim()
  const settled = useSettled(place, TYPING_MS)
  const { data } = useQuery({ queryKey: ['desktop', 'place', settled], queryFn: () => readPlace(settled), enabled: settled !== '', refetchOnWindowFocus: false })
  const devices = data?.kind === 'ok' && settled === place ? data.value : []
  const failure = data?.kind === 'failed' && settled === place ? data.failure : undefined
  const number = devices.some((one) => one.number === chosen) ? chosen : (devices[0]?.number ?? '')
  const isUnderWay = phase.kind === 'activating'
  const isBrowserPhone = devices.find((one) => one.number === number)?.isBrowserPhone === true
  useEffect(() => {
    if (data?.kind === 'ok') keepKinds(data.value)
  }, [data])
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (place === '' || isUnderWay) return
    // Of several phones one is named; a released call stays until the agent is done with it.
    const where = devices.length > 1 ? { dn: number } : { placeName: place }
    void desk.ask('activate', '', { ...where, agentId: user?.agent ?? '', channels: ['voice'], autoCompleteCall: false })
  }
  if (user?.agent === '') return <Notice tone="warning" title={t('desk.place.noAgent')} />
  return (
    <Notice tone={phase.kind === 'choosing' && phase.from === 'lost' ? 'warning' : 'plain'} title={t('desk.place.title')}>
      {phase.kind === 'choosing' && phase.from === 'lost' ? <p>{t('desk.place.lost')}</p> : null}
      <form className={styles['form']} onSubmit={submit}>
        <Field id={`${id}-place`} label={t('desk.place.label')} hint={t('desk.place.hint')} faults={faultsOf(failure)}>
          {(attributes) => <input {...attributes} value={typed ?? user?.place ?? ''} autoComplete="off" spellCheck={false} required onChange={(event) => setTyped(event.target.value)} />}
        </Field>
        <Devices id={`${id}-device`} devices={devices} isKnown={data?.kind === 'ok' && settled === place} number={number} onChoose={setChosen} />
        {isBrowserPhone ? <p>{t('desk.place.browser')}</p> : null}
        <p>
          <Button type="submit" tone="main">
            {isUnderWay ? t('desk.place.starting') : t('desk.place.start')}
          </Button>
        </p>
      </form>
    </Notice>
  )
}

function faultsOf(failure: DeskFailure | undefined): readonly string[] {
  if (failure === undefined) return []
  return [failure.kind === 'refused' && failure.status === 404 ? t('desk.place.unknown') : asSentence(wordsOf(failure).what)]
}

type DevicesProps = { readonly id: string; readonly devices: readonly Device[]; readonly isKnown: boolean; readonly number: string; readonly onChoose: (number: string) => void }

/** The phones of the place. */
function Devices({ id, devices, isKnown, number, onChoose }: DevicesProps): ReactElement | null {
  if (!isKnown) return null
  const [only] = devices
  if (only === undefined) return <p>{t('desk.place.none')}</p>
  const said = (device: Device): string => (device.agent === '' ? device.number : t('desk.place.taken', { number: device.number, agent: device.agent }))
  if (devices.length === 1) return <p>{t('desk.place.one', { number: said(only) })}</p>
  return (
    <Field id={id} label={t('desk.place.phone')}>
      {(attributes) => (
        <select {...attributes} value={number} onChange={(event) => onChoose(event.target.value)}>
          {devices.map((device) => (
            <option key={device.number} value={device.number}>
              {said(device)}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}
