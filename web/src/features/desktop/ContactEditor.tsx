import { useState, type ReactElement } from 'react'
import { LIMIT } from '../../api/workspace-targets'
import { t } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import { ContactForm } from './ContactForm'
import { useContact, useContactChanges, useContacts } from './use-contacts'
import type { Favourites } from './use-favourites'
import desk from './Desktop.module.css'

export type ContactEditorProps = { /** Empty for a new one. */ readonly id: string; readonly favourites: Favourites; readonly onClose: () => void }

/** The form of a contact, once it is read; of a shared one for those alone who may keep it. */
export function ContactEditor({ id, favourites, onClose }: ContactEditorProps): ReactElement | null {
  const answer = useContact(id)
  const { mayShare, isKnown } = useContacts(LIMIT)
  const changes = useContactChanges(favourites)
  const [round, setRound] = useState(0)
  if (!isKnown || (id !== '' && answer === undefined)) return null
  const contact = answer?.kind === 'ok' ? answer.value : undefined
  if (id === '' || (contact !== undefined && (mayShare || !contact.isShared))) return <ContactForm key={round} contact={contact} mayShare={mayShare} changes={changes} onChangedSince={() => setRound(round + 1)} onClose={onClose} />
  return (
    <div className={desk['form']}>
      <p role="status">{contact === undefined ? t('work.contacts.away') : t('work.contact.ofOthers')}</p>
      <p className={desk['buttons']}>
        <Button onClick={onClose}>{t('work.contact.close')}</Button>
      </p>
    </div>
  )
}
