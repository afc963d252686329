import { useEffect, useId, useRef, useState, type ReactElement } from 'react'
import type { Call, Configuration } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'
import { Field } from '../../ui/Field'
import { dispositionOf, fieldsOf, NOTES, notesOf, technicalOf, type DataField } from './call-data'
import type { Desk } from './desk'
import styles from './Desktop.module.css'

export type CallDataProps = { readonly desk: Desk; readonly call: Call; readonly configuration: Configuration | undefined }

/** What came with the call and what the agent adds: fields, the result, notes. */
export function CallData({ desk, call, configuration }: CallDataProps): ReactElement {
  const fields = fieldsOf(call, configuration)
  const disposition = dispositionOf(call, configuration)
  const technical = technicalOf(call)
  const mayChange = call.capabilities.includes('update-user-data')
  const save = (key: string, value: string): Promise<boolean> => desk.ask('update-user-data', call.id, { userData: [{ key, type: 'str', value }] })
  return (
    <section aria-label={t('desk.data')} className={styles['data']}>
      <h3>{t('desk.data')}</h3>
      {fields.length === 0 ? <p className={styles['quiet']}>{t('desk.data.none')}</p> : null}
      <div className={styles['fields']}>
        {fields.map((field) => (
          <DataInput key={field.key} field={field} title={field.title} mayChange={mayChange} onSave={(value) => save(field.key, value)} />
        ))}
        {disposition === undefined ? null : <DataInput field={disposition} title={t('desk.data.disposition')} mayChange={mayChange} onSave={(value) => save(disposition.key, value)} />}
      </div>
      <Notes value={notesOf(call)} mayChange={mayChange} onSave={(value) => save(NOTES, value)} />
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

/** A value that is typed, until the server has it. */
function useDraft(value: string): readonly [string, boolean, (draft: string) => void] {
  const [draft, setDraft] = useState<string>()
  useEffect(() => setDraft((typed) => (typed === value ? undefined : typed)), [value])
  return [draft ?? value, draft !== undefined && draft !== value, setDraft]
}

type DataInputProps = { readonly field: DataField; readonly title: string; readonly mayChange: boolean; readonly onSave: (value: string) => Promise<boolean> }

function DataInput({ field, title, mayChange, onSave }: DataInputProps): ReactElement {
  const [value, isUnsaved, setDraft] = useDraft(field.value)
  const id = useId()
  const hint = isUnsaved ? t('desk.data.unsaved') : undefined
  const save = (): void => {
    if (isUnsaved) void onSave(value)
  }
  const isKnown = value === '' || field.choices.some(({ name }) => name === value)
  return (
    <Field id={id} label={title} hint={hint}>
      {(attributes) =>
        field.choices.length > 0 && !field.isFixed ? (
          <select
            {...attributes}
            value={value}
            disabled={!mayChange}
            onChange={(event) => {
              setDraft(event.target.value)
              void onSave(event.target.value)
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
          <input {...attributes} value={value} readOnly={!mayChange || field.isFixed} autoComplete="off" onChange={(event) => setDraft(event.target.value)} onBlur={save} onKeyDown={(event) => (event.key === 'Enter' ? save() : undefined)} />
        )
      }
    </Field>
  )
}

/** Writing is paused for so long before notes are saved. */
const PAUSE_MS = 1_000

type NotesProps = { readonly value: string; readonly mayChange: boolean; readonly onSave: (value: string) => Promise<boolean> }

/** Notes are saved while they are written: the call may end at any moment. */
function Notes({ value, mayChange, onSave }: NotesProps): ReactElement {
  const [text, isUnsaved, setDraft] = useDraft(value)
  const id = useId()
  const save = useRef(onSave)
  useEffect(() => {
    save.current = onSave
  })
  useEffect(() => {
    if (!isUnsaved || !mayChange) return
    const timer = setTimeout(() => void save.current(text), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text, isUnsaved, mayChange])
  return (
    <Field id={id} label={t('desk.notes')} hint={isUnsaved ? t('desk.notes.unsaved') : t('desk.notes.hint')} isWide>
      {(attributes) => <textarea {...attributes} rows={3} value={text} readOnly={!mayChange} onChange={(event) => setDraft(event.target.value)} onBlur={() => (isUnsaved ? void onSave(text) : undefined)} />}
    </Field>
  )
}
