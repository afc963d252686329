import { useEffect, useId, useRef, type ReactElement } from 'react'
import type { Call, Configuration } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { dispositionOf, fieldsOf, NOTES, notesOf, technicalOf, type DataField } from './call-data'
import type { Desk } from './desk'
import { UPDATE, useDraft, type DraftOf } from './use-drafts'
import styles from './Desktop.module.css'

export type CallDataProps = { readonly desk: Desk; readonly call: Call; readonly configuration: Configuration | undefined }

/** What came with the call and what the agent adds: fields, the result, notes. */
export function CallData({ desk, call, configuration }: CallDataProps): ReactElement {
  const fields = fieldsOf(call, configuration)
  const disposition = dispositionOf(call, configuration)
  const technical = technicalOf(call)
  return (
    <section aria-label={t('desk.data')} className={styles['data']}>
      <h3>{t('desk.data')}</h3>
      {fields.length === 0 ? <p className={styles['quiet']}>{t('desk.data.none')}</p> : null}
      <div className={styles['fields']}>
        {fields.map((field) => (
          <DataInput key={field.key} desk={desk} call={call} field={field} title={field.title} />
        ))}
        {disposition === undefined ? null : <DataInput desk={desk} call={call} field={disposition} title={t('desk.data.disposition')} />}
      </div>
      <Notes desk={desk} call={call} />
      {technical.length === 0 ? null : (
        <details>
          <summary>{t('desk.technical')}</summary>
          <dl className={styles['facts']}>
            {technical.map(({ key, value }, index) => (
              <div key={index}>
                <dt>{key}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </section>
  )
}

type DataInputProps = { readonly desk: Desk; readonly call: Call; readonly field: DataField; readonly title: string }

function DataInput({ desk, call, field, title }: DataInputProps): ReactElement {
  const draft = useDraft(desk, call, field.key, field.value)
  const { value } = draft
  const mayChange = call.capabilities.includes(UPDATE)
  const id = useId()
  const isKnown = value === '' || field.choices.some(({ name }) => name === value)
  return (
    <div>
      <Field id={id} label={title} hint={draft.isUnsaved ? t('desk.data.unsaved') : undefined}>
        {(attributes) =>
          field.choices.length > 0 && !field.isFixed ? (
            <select
              {...attributes}
              value={value}
              disabled={!mayChange}
              onChange={(event) => {
                draft.type(event.target.value)
                draft.save()
              }}
            >
              {value === '' || field.value === '' ? <option value="">{t('desk.data.choose')}</option> : null}
              {isKnown ? null : <option value={value}>{value}</option>}
              {field.choices.map((choice) => (
                <option key={choice.name} value={choice.name}>
                  {choice.title}
                </option>
              ))}
            </select>
          ) : (
            <input
              {...attributes}
              value={value}
              readOnly={!mayChange || field.isFixed}
              autoComplete="off"
              onChange={(event) => draft.type(event.target.value)}
              onBlur={draft.save}
              onKeyDown={(event) => (event.key === 'Enter' ? draft.save() : undefined)}
            />
          )
        }
      </Field>
      <Refused draft={draft} title={title} />
    </div>
  )
}

/** Writing is paused for so long before notes are saved. */
const PAUSE_MS = 1_000

/** Notes are saved while they are written: the call may end at any moment. */
function Notes({ desk, call }: { readonly desk: Desk; readonly call: Call }): ReactElement {
  const draft = useDraft(desk, call, NOTES, notesOf(call))
  const mayChange = call.capabilities.includes(UPDATE)
  const id = useId()
  const save = useRef(draft.save)
  useEffect(() => {
    save.current = draft.save
  })
  useEffect(() => {
    if (!draft.isUnsaved || !mayChange) return
    const timer = setTimeout(() => save.current(), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [draft.value, draft.isUnsaved, mayChange])
  const isLive = desk.state().connection.kind === 'live'
  const unsaved = isLive ? t('desk.notes.unsaved') : t('work.notes.offline')
  return (
    <div>
      <Field id={id} label={t('desk.notes')} hint={draft.isUnsaved ? unsaved : t('desk.notes.hint')} isWide>
        {(attributes) => <textarea {...attributes} rows={3} value={draft.value} readOnly={!mayChange} onChange={(event) => draft.type(event.target.value)} onBlur={draft.save} />}
      </Field>
      <Refused draft={draft} title={t('desk.notes')} />
    </div>
  )
}

/** What the server does not take is tried again by itself; it can be given up, for the call waits for it. */
function Refused({ draft, title }: { readonly draft: DraftOf; readonly title: string }): ReactElement | null {
  if (!draft.isUnsaved || !draft.isRefused) return null
  return (
    <p className={styles['buttons']} data-refused>
      <Button label={`${t('work.unsaved.again')}: ${title}`} onClick={draft.save}>
        {t('work.unsaved.again')}
      </Button>
      <Button label={`${t('work.unsaved.drop')}: ${title}`} onClick={draft.drop}>
        {t('work.unsaved.drop')}
      </Button>
    </p>
  )
}
