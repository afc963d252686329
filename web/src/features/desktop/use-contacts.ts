import { useQuery, useQueryClient } from '@tanstack/react-query'
import { deleteContact, isChangedSince, readContact, readContacts, saveContact, targetOf, type Contact, type ContactDraft } from '../../api/workspace-contacts'
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

/** What has become of a change; if it is not done, it was said why. Where somebody else has changed the contact, it was read anew. */
export type ContactOutcome = 'done' | 'failed' | 'changed-since'

export type ContactChanges = {
  readonly save: (contact: Contact | undefined, draft: ContactDraft) => Promise<ContactOutcome>
  readonly remove: (contact: Contact) => Promise<ContactOutcome>
}

/** A contact that is a favourite is changed there, too. */
export function useContactChanges(favourites: Favourites): ContactChanges {
  const client = useQueryClient()
  const settled = async (answer: DeskAnswer<unknown>): Promise<ContactOutcome> => {
    const isLate = answer.kind === 'failed' && isChangedSince(answer.failure)
    if (answer.kind === 'failed') say(isLate ? t('work.contact.changedSince') : t('work.contact.failed', { why: wordsOf(answer.failure).what }), 'bad')
    const reading = client.invalidateQueries({ queryKey: CONTACTS })
    void client.invalidateQueries({ queryKey: TARGETS })
    if (!isLate) return answer.kind === 'ok' ? 'done' : 'failed'
    await reading
    return 'changed-since'
  }
  return {
    save: async (contact, draft) => {
      const answer = await saveContact(contact, draft)
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
