import { useState, type ReactElement } from 'react'
import { targetOf, type Contact, type NumberKind } from '../../api/workspace-contacts'
import { LIMIT, SHOWN_MAX } from '../../api/workspace-targets'
import { t, type PlainText } from '../../lib/i18n'
import { Button } from '../../ui/Button'
import type { DeskProps } from './Desktop'
import { reachOf, type Reach } from './reach'
import { useContacts } from './use-contacts'
import { isSame, type Favourites } from './use-favourites'
import desk from './Desktop.module.css'
import styles from './Directory.module.css'

export const KINDS: Readonly<Record<NumberKind, PlainText>> = { work: 'work.contact.work', mobile: 'work.contact.mobile', home: 'work.contact.home', internal: 'work.contact.internal', other: 'work.contact.other' }

export type ContactsProps = DeskProps & { readonly favourites: Favourites; /** Opens the form of one; with an empty id that of a new one. */ readonly onEdit: (id: string) => void }

/** The contacts that the person keeps or shares with others, by name. */
export function Contacts({ favourites, onEdit, ...props }: ContactsProps): ReactElement {
  const [limit, setLimit] = useState(LIMIT)
  const { contacts, further, isKnown, hasFailed } = useContacts(limit)
  const reach = reachOf(props)
  return (
    <>
      <p>
        <Button onClick={() => onEdit('')}>{t('work.contact.new')}</Button>
      </p>
      {contacts.length > 0 || !isKnown ? null : <p className={desk['quiet']}>{hasFailed ? t('work.contacts.away') : t('work.contacts.none')}</p>}
      {contacts.length === 0 ? null : (
        <ul className={styles['targets']}>
          {contacts.map((contact) => (
            <Row key={contact.id} contact={contact} reach={reach} favourites={favourites} onEdit={onEdit} />
          ))}
        </ul>
      )}
      {further > 0 && limit < SHOWN_MAX ? (
        <p>
          <Button onClick={() => setLimit(Math.min(limit + LIMIT, SHOWN_MAX))}>{t('work.more', { further })}</Button>
        </p>
      ) : null}
    </>
  )
}

type RowProps = Pick<ContactsProps, 'favourites' | 'onEdit'> & { readonly contact: Contact; readonly reach: Reach }

function Row({ contact, reach, favourites, onEdit }: RowProps): ReactElement {
  const { id, name, company, numbers, note, isShared } = contact
  const target = targetOf(contact)
  const is = favourites.favourites.some((one) => isSame(one, target))
  const about = [company, isShared ? t('work.contact.isShared') : ''].filter((text) => text !== '').join(', ')
  return (
    <li className={styles['target']} data-contact={name}>
      <div className={styles['who']}>
        <span className={styles['name']}>{name}</span>
        {about === '' ? null : <span className={styles['quiet']}>{about}</span>}
        {note === '' ? null : <span className={styles['note']}>{note}</span>}
      </div>
      {numbers.map(({ kind, number }, index) => (
        <Button key={`${index} ${number}`} label={`${reach.text}: ${t(KINDS[kind])}, ${name} ${number}`} title={number} onClick={() => reach.run(number)}>
          {reach.text}: {t(KINDS[kind])}
        </Button>
      ))}
      <Button label={t('work.contact.edit', { name })} onClick={() => onEdit(id)}>
        {t('work.contact.editShort')}
      </Button>
      <Button label={t('work.favourite', { name })} pressed={is} onClick={() => void favourites.toggle(target)}>
        {is ? '★' : '☆'}
      </Button>
    </li>
  )
}
