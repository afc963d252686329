import { useEffect, useRef, useState, type FormEvent, type ReactElement } from 'react'
import { createApiKey, type ApiKeyMade } from '../../api/api-keys'
import { t, type PlainText } from '../../lib/i18n'
import { refreshAccount } from '../../live/account'
import { Button } from '../../ui/Button'
import { FaultsOf, Field } from '../../ui/Field'
import { EMPTY_KEY, faultsOfKey, isEmptyKey, KEY_FIELDS, lastDays, LIVES, offered, serverFaultsOfKey, wantedOf, wordsOfScope, type KeyDraft, type KeyFaults, type Life } from './api-keys'
import { adviceOf, wordsOf } from './failures'
import { describedBy, HintOf } from './Hint'
import { ReferenceInput } from './ReferenceInput'
import { noteRefusal } from './refusal'
import styles from './Form.module.css'

export type ApiKeyFormProps = {
  readonly tenant: string
  /** Those of who makes the key. */
  readonly scopes: readonly string[]
  readonly onMade: (made: ApiKeyMade) => void
  readonly onDirty: (isDirty: boolean) => void
  readonly onCancel: () => void
}

const LIFE_WORDS: Readonly<Record<Life, PlainText>> = {
  '30': 'setup.apiKeys.life30',
  '90': 'setup.apiKeys.life90',
  '180': 'setup.apiKeys.life180',
  year: 'setup.apiKeys.lifeYear',
  day: 'setup.apiKeys.lifeDay',
}

const idOf = (field: string): string => `api-key-${field}`

/** What a new API key is called, what it may, and until when. */
export function ApiKeyForm({ tenant, scopes, onMade, onDirty, onCancel }: ApiKeyFormProps): ReactElement {
  const [draft, setDraft] = useState(EMPTY_KEY)
  const [faults, setFaults] = useState<KeyFaults>({})
  const [isUnderWay, setUnderWay] = useState(false)
  /** Names what is asked for: sent again, it makes no second key. What is typed differently is another request. */
  const request = useRef({ id: '', of: '' })
  const isDirty = !isEmptyKey(draft)
  useEffect(() => onDirty(isDirty), [isDirty, onDirty])
  useEffect(() => document.getElementById(idOf('name'))?.focus(), [])
  const change = (part: Partial<KeyDraft>): void => setDraft((before) => ({ ...before, ...part }))
  const refuse = (found: KeyFaults): void => {
    setFaults(found)
    const first = KEY_FIELDS.find((field) => found[field] !== undefined)
    if (first !== undefined) requestAnimationFrame(() => document.getElementById(idOf(first))?.focus())
  }
  const make = async (): Promise<void> => {
    if (isUnderWay) return
    const found = faultsOfKey(draft, Date.now())
    if (Object.keys(found).length > 0) return refuse(found)
    setFaults({})
    setUnderWay(true)
    // Somebody else may have signed in meanwhile, in whose name no key is to be made.
    await refreshAccount()
    const of = JSON.stringify(draft)
    if (request.current.of !== of) request.current = { id: crypto.randomUUID(), of }
    const outcome = await createApiKey(tenant, request.current.id, wantedOf(draft, Date.now()))
    setUnderWay(false)
    if (outcome.kind === 'ok') return onMade(outcome.value)
    if (outcome.kind === 'faults') return refuse(serverFaultsOfKey(outcome.faults))
    if (outcome.kind === 'conflict') return refuse({ '': [t('setup.rule.stale')] })
    noteRefusal(outcome.failure)
    refuse({ '': [`${wordsOf(outcome.failure)} ${adviceOf(outcome.failure)}`] })
  }
  const { min, max } = lastDays(Date.now())
  const choices = offered(scopes)
  return (
    <form
      className={styles['form']}
      aria-busy={isUnderWay}
      aria-label={t('setup.apiKeys.add')}
      noValidate
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        void make()
      }}
    >
      <fieldset className={styles['group']}>
        <legend>{t('setup.apiKeys.add')}</legend>
        <div className={styles['fields']}>
          <Field id={idOf('name')} label={t('setup.name')} hint={t('setup.apiKeys.nameHint')} faults={faults.name} required={t('setup.needed')}>
            {(attributes) => <input {...attributes} type="text" required value={draft.name} autoComplete="off" onChange={(event) => change({ name: event.target.value })} />}
          </Field>
          <Field id={idOf('client')} label={t('setup.client')} hint={t('setup.apiKeys.clientHint')} faults={faults.client}>
            {(attributes) => <ReferenceInput tenant={tenant} of="client" value={draft.client} attributes={attributes} onChange={(client) => change({ client })} />}
          </Field>
          <Field id={draft.life === 'day' ? idOf('life') : idOf('expires_at')} label={t('setup.apiKeys.ends')} faults={draft.life === 'day' ? [] : faults.expires_at}>
            {(attributes) => (
              <select {...attributes} value={draft.life} onChange={(event) => change({ life: LIVES.find((life) => life === event.target.value) ?? 'year' })}>
                {LIVES.map((life) => (
                  <option key={life} value={life}>
                    {t(LIFE_WORDS[life])}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {draft.life === 'day' ? (
            <Field id={idOf('expires_at')} label={t('setup.apiKeys.lastDay')} hint={t('setup.apiKeys.lastDayHint')} faults={faults.expires_at} required={t('setup.needed')}>
              {(attributes) => <input {...attributes} type="date" required min={min} max={max} value={draft.day} onChange={(event) => change({ day: event.target.value })} />}
            </Field>
          ) : null}
          <fieldset id={idOf('scopes')} tabIndex={-1} className={styles['many']} aria-describedby={describedBy(idOf('scopes'), 'setup.apiKeys.scopesHint', faults.scopes ?? [])}>
            <legend>
              {t('setup.apiKeys.scopes')} <span className={styles['hint']}>{t('setup.needed')}</span>
            </legend>
            {choices.map((scope) => (
              <label key={scope} className={styles['check']}>
                <input
                  type="checkbox"
                  checked={draft.scopes.includes(scope)}
                  onChange={(event) => change({ scopes: event.target.checked ? [...draft.scopes, scope] : draft.scopes.filter((one) => one !== scope) })}
                />
                <span>
                  {wordsOfScope(scope)} <code>{scope}</code>
                </span>
              </label>
            ))}
            <HintOf id={idOf('scopes')} hint="setup.apiKeys.scopesHint" />
            <FaultsOf id={idOf('scopes')} faults={faults.scopes ?? []} />
          </fieldset>
        </div>
      </fieldset>
      <div className={styles['actions']}>
        <Button type="submit" tone="main">
          {isUnderWay ? t('setup.apiKeys.making') : t('setup.apiKeys.make')}
        </Button>
        <Button onClick={onCancel}>{t('setup.review.cancel')}</Button>
        {Object.keys(faults).length === 0 ? null : <p role="alert">{faults['']?.join(' ') ?? t('setup.faults.title')}</p>}
      </div>
    </form>
  )
}
