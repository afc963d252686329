// Contacts at the mock's desktop: those of each person, and those that all share.

import { randomUUID } from 'node:crypto'

const NUMBER = /^(\+[1-9]\d{1,14}|[\d*#]{1,15})$/

export class ContactsOfMock {
  /** By user name. */
  #own = new Map()
  #shared = []
  /** Whether those who ask may keep shared ones. */
  mayShare = true

  /** All that somebody sees, by name. */
  seenBy({ user }) {
    return [...(this.#own.get(user.userName) ?? []), ...this.#shared].sort((one, other) => one.name.localeCompare(other.name))
  }

  /** As a search for targets finds them. */
  targetsOf(session) {
    return this.seenBy(session).map((contact, index) => ({
      DBID: 9_000 + index,
      id: contact.id,
      type: 'custom-contact',
      name: contact.name,
      numbers: contact.numbers.map(({ number }) => number),
      ...(contact.numbers[0] === undefined ? {} : { number: contact.numbers[0].number }),
      company: contact.company,
      isShared: contact.isShared,
    }))
  }

  /** Answers what is below /contacts. */
  asked(session, id, data, query, method) {
    const seen = this.seenBy(session)
    if (id === undefined) return method === 'POST' ? this.#put(session, { id: randomUUID(), isShared: data.isShared === true }, data) : this.#list(seen, query)
    const known = seen.find((contact) => contact.id === id)
    if (known === undefined) return { status: 404, message: `there is no contact ${id}` }
    if (method === 'GET') return { data: known }
    if (known.isShared && !this.mayShare) return { status: 403, message: 'this needs the scope agents:supervise or config:write' }
    if (method === 'PUT') return this.#put(session, known, data)
    this.#remove(session, known)
    return {}
  }

  #list(seen, query) {
    const from = Number(query.get('offset') ?? 0)
    return { data: { contacts: seen.slice(from, from + Number(query.get('limit') ?? 50)), totalMatches: seen.length, mayShare: this.mayShare } }
  }

  #put(session, { id, isShared }, { name = '', company = '', emailAddress = '', note = '', numbers = [] }) {
    if (isShared && !this.mayShare) return { status: 403, message: 'this needs the scope agents:supervise or config:write' }
    if (name.trim() === '') return { status: 400, message: 'name: it is missing' }
    const wrong = numbers.find(({ number }) => !NUMBER.test(number))
    if (wrong !== undefined) return { status: 400, message: `numbers: ${wrong.number} is no number` }
    const contact = { id, isShared, name, company, emailAddress, note, numbers, changedAt: Date.now() }
    this.#remove(session, contact)
    if (isShared) this.#shared.push(contact)
    else this.#own.set(session.user.userName, [...(this.#own.get(session.user.userName) ?? []), contact])
    return { data: contact }
  }

  #remove({ user }, { id }) {
    this.#shared = this.#shared.filter((contact) => contact.id !== id)
    this.#own.set(user.userName, (this.#own.get(user.userName) ?? []).filter((contact) => contact.id !== id))
  }
}
