import { useId, useRef, useState, type FormEvent, type ReactElement } from 'react'
import { NUMBER_KINDS, type Contact, type ContactDraft } from '../../api/workspace-contacts'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { draftOf, faultsOf, isFaulty, NUMBERS_MAX, savedOf, withChanged, withNumber } from './contact-draft'
import { KINDS } from './Contacts'
import { useFocusWhileOpen } from './focus-back'
import type { ContactChanges, ContactOutcome } from './use-contacts'
import desk from './Desktop.module.css'

export type ContactFormProps = { /** Undefined for a new one. */ readonly contact: Contact | undefined; readonly mayShare: boolean; readonly changes: ContactChanges; /** Begins anew with the contact as it is now. */ readonly onChangedSince: () => void; readonly onClose: () => void }

/** A contact that is made or changed. */
export function ContactForm({ contact: current, mayShare, changes, onChangedSince, onClose }: ContactFormProps): ReactElement {
  // As it was when the form was opened: what is typed is a change of that one.
  const [contact] = useState(current)
  const [draft, setDraft] = useState(() => draftOf(contact))
  const [isChecked, setChecked] = useState(false)
  const [isAsking, setAsking] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  const id = useId()
  useFocusWhileOpen(form, 'input')
  const change = (changed: Partial<ContactDraft>): void => setDraft({ ...draft, ...changed })
  const settle = async (asked: Promise<ContactOutcome>): Promise<void> => {
    setAsking(true)
    const outcome = await asked
    setAsking(false)
    if (outcome === 'done') onClose()
    if (outcome === 'changed-since') onChangedSince()
  }
  const save = (event: FormEvent): void => {
    event.preventDefault()
    setChecked(true)
    if (!isAsking && !isFaulty(faultsOf(draft))) void settle(changes.save(contact, savedOf(draft)))
  }
  const faults = faultsOf(draft)
  const isWrong = (is: boolean | undefined, words: string): readonly string[] => (isChecked && is === true ? [words] : [])
  return (
    <form ref={form} aria-label={contact === undefined ? t('work.contact.new') : t('work.contact.edit', { name: contact.name })} className={desk['form']} noValidate onSubmit={save} onKeyDown={(event) => (event.key === 'Escape' ? onClose() : undefined)}>
      <Field id={`${id}-name`} label={t('work.contact.name')} faults={isWrong(faults.name, t('work.contact.nameFault'))}>
        {(attributes) => <input {...attributes} autoComplete="off" maxLength={200} value={draft.name} onChange={(event) => change({ name: event.target.value })} />}
      </Field>
      <NumberFields id={id} draft={draft} faults={faults.numbers.map((is) => isWrong(is, t('work.contact.numberFault')))} onChange={setDraft} />
      <Field id={`${id}-company`} label={t('work.contact.company')}>
        {(attributes) => <input {...attributes} autoComplete="off" maxLength={200} value={draft.company} onChange={(event) => change({ company: event.target.value })} />}
      </Field>
      <Field id={`${id}-email`} label={t('work.contact.email')} faults={isWrong(faults.email, t('work.contact.emailFault'))}>
        {(attributes) => <input {...attributes} type="email" autoComplete="off" maxLength={254} value={draft.email} onChange={(event) => change({ email: event.target.value })} />}
      </Field>
      <Field id={`${id}-note`} label={t('work.contact.note')}>
        {(attributes) => <textarea {...attributes} rows={2} maxLength={900} value={draft.note} onChange={(event) => change({ note: event.target.value })} />}
      </Field>
      {contact !== undefined || !mayShare ? null : (
        <label>
          <input type="checkbox" checked={draft.isShared} onChange={(event) => change({ isShared: event.target.checked })} /> {t('work.contact.share')}
        </label>
      )}
      <p className={desk['buttons']}>
        <Button type="submit" tone="main" isOff={isAsking} isBusy={isAsking}>
          {t('work.contact.save')}
        </Button>
        <Button onClick={onClose}>{t('desk.form.cancel')}</Button>
        {contact === undefined ? null : <Removal isOff={isAsking} onRemove={() => void settle(changes.remove(contact))} />}
      </p>
    </form>
  )
}

type NumberFieldsProps = { readonly id: string; readonly draft: ContactDraft; readonly faults: readonly (readonly string[])[]; readonly onChange: (draft: ContactDraft) => void }

function NumberFields({ id, draft, faults, onChange }: NumberFieldsProps): ReactElement {
  return (
    <>
      {draft.numbers.map(({ kind, number }, index) => (
        <div key={index} className={desk['line']}>
          <Field id={`${id}-number-${index}`} label={t('work.contact.number', { place: String(index + 1) })} faults={faults[index]}>
            {(attributes) => <input {...attributes} type="tel" autoComplete="off" maxLength={40} value={number} onChange={(event) => onChange(withChanged(draft, index, { number: event.target.value }))} />}
          </Field>
          <Field id={`${id}-kind-${index}`} label={t('work.contact.kind', { place: String(index + 1) })}>
            {(attributes) => (
              <select {...attributes} value={kind} onChange={(event) => onChange(withChanged(draft, index, { kind: NUMBER_KINDS.find((one) => one === event.target.value) ?? 'other' }))}>
                {NUMBER_KINDS.map((one) => (
                  <option key={one} value={one}>
                    {t(KINDS[one])}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
      ))}
      {draft.numbers.length >= NUMBERS_MAX ? null : (
        <p>
          <Button onClick={() => onChange(withNumber(draft))}>{t('work.contact.addNumber')}</Button>
        </p>
      )}
    </>
  )
}

/** It cannot be taken back: a second press on a button of its own name does it. */
function Removal({ isOff, onRemove }: { readonly isOff: boolean; readonly onRemove: () => void }): ReactElement {
  const [isAsked, setAsked] = useState(false)
  return (
    <Button tone="danger" isOff={isOff} onClick={() => (isAsked ? onRemove() : setAsked(true))}>
      {isAsked ? t('work.contact.deleteSure') : t('work.contact.delete')}
    </Button>
  )
}
