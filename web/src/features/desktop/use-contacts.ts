import { useQuery, useQueryClient } from '@tanstack/react-query'
import { deleteContact, readContact, readContacts, saveContact, targetOf, type Contact, type ContactDraft } from '../../api/workspace-contacts'
import type { DeskAnswer } from '../../api/workspace'
import { t } from '../../lib/i18n'
import { say } from '../../ui/toast'
import type { Favourites } from './use-favourites'
import { wordsOf } from './words'

const CONTACTS = ['desktop', 'contacts']
const TARGETS = ['desktop', 'targets']
const KEPT_MS = 60_000

export type ContactsShown = {
  readonly contacts: readonly Contact[]
  /** How many there are beyond them. */
  readonly further: number
  readonly mayShare: boolean
  /** Whether they were read, or cannot be. */
  readonly isKnown: boolean
  readonly hasFailed: boolean
}

/** The first contacts by name. */
export function useContacts(limit: number): ContactsShown {
  const { data } = useQuery({ queryKey: [...CONTACTS, 'list', limit], queryFn: () => readContacts(limit), placeholderData: (before) => before, staleTime: KEPT_MS, refetchOnWindowFocus: false })
  const found = data?.kind === 'ok' ? data.value : undefined
  const contacts = found?.contacts ?? []
  return { contacts, further: (found?.total ?? 0) - contacts.length, mayShare: found?.mayShare === true, isKnown: data !== undefined, hasFailed: data?.kind === 'failed' }
}

/** One as it is now: a form begins with it, so what was read before does not count. None for an empty id; undefined until it is read. */
export function useContact(id: string): DeskAnswer<Contact | undefined> | undefined {
  return useQuery({ queryKey: [...CONTACTS, 'one', id], queryFn: () => readContact(id), enabled: id !== '', gcTime: 0, refetchOnWindowFocus: false }).data
}

export type ContactChanges = {
  /** Whether it is kept; if not, it was said why. */
  readonly save: (contact: Contact | undefined, draft: ContactDraft) => Promise<boolean>
  readonly remove: (contact: Contact) => Promise<boolean>
}

/** A contact that is a favourite is changed there, too. */
export function useContactChanges(favourites: Favourites): ContactChanges {
  const client = useQueryClient()
  const settled = async (answer: DeskAnswer<unknown>): Promise<boolean> => {
    if (answer.kind === 'failed') say(t('work.contact.failed', { why: wordsOf(answer.failure).what }), 'bad')
    void client.invalidateQueries({ queryKey: CONTACTS })
    void client.invalidateQueries({ queryKey: TARGETS })
    return answer.kind === 'ok'
  }
  return {
    save: async (contact, draft) => {
      const answer = await saveContact(contact?.id, draft)
      if (answer.kind === 'ok' && answer.value !== undefined) await favourites.follow(targetOf(answer.value), 'changed')
      return settled(answer)
    },
    remove: async (contact) => {
      const answer = await deleteContact(contact.id)
      if (answer.kind === 'ok') await favourites.follow(targetOf(contact), 'gone')
      return settled(answer)
    },
  }
}
