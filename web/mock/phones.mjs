// Phones in browsers at the mock: a registrar and a proxy for SIP over WebSocket (RFC 7118). Audio goes from browser to browser.

import { randomUUID } from 'node:crypto'
import { accept } from './web-socket.mjs'

export const REALM = 'example.trunkline.invalid'

const header = (text, name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'im').exec(text)?.[1]?.trim() ?? ''
const userIn = (text) => /sips?:([^@>;]+)@/.exec(text)?.[1] ?? ''

/** `onCall` is told what becomes of calls: `{ kind: 'ringing' | 'answered' | 'moved' | 'over', id, from, to }`; one that has moved goes on under the id `by`. */
export class Phones {
  constructor({ onCall = () => undefined } = {}) {
    this.onCall = onCall
    this.sockets = new Map()
    this.numbers = new Map()
    /** The two numbers of each call, by its Call-ID. */
    this.calls = new Map()
    this.seen = []
  }

  /** What a page goes to. */
  ticket(host, number) {
    return { url: `ws://${host}/webrtc?ticket=${randomUUID()}`, realm: REALM, number, expiresIn: 60 }
  }

  upgrade(request, socket) {
    if (!request.url.startsWith('/webrtc')) return socket.destroy()
    const id = randomUUID().slice(0, 8)
    this.sockets.set(id, accept(request, socket, 'sip', { onText: (text) => this.#heard(id, text), onEnd: () => this.sockets.delete(id) }))
    return undefined
  }

  /** Breaks the WebSocket of a number, as a lost network does. */
  cut(number) {
    this.sockets.get(this.numbers.get(number))?.end()
  }

  close() {
    for (const socket of this.sockets.values()) socket.end()
  }

  #heard(id, text) {
    const [line = ''] = text.split('\r\n', 1)
    if (line.trim() === '') return this.sockets.get(id)?.send('\r\n')
    if (line.startsWith('SIP/2.0')) return this.#response(text)
    const method = line.split(' ', 1)[0]
    // Within a dialog that took another's place, From may name the other side.
    const from = [...this.numbers].find(([, socket]) => socket === id)?.[0] ?? userIn(header(text, 'From'))
    this.seen.push({ method, from, replaces: header(text, 'Replaces') })
    return method === 'REGISTER' ? this.#registers(id, text, from) : this.#request(id, text, line, method, from)
  }

  #registers(id, text, from) {
    if (!/expires=0\b/.test(header(text, 'Contact'))) this.numbers.set(from, id)
    const kept = ['Via', 'From', 'Call-ID', 'CSeq', 'Contact'].map((name) => `${name}: ${header(text, name)}`)
    this.sockets.get(id)?.send(['SIP/2.0 200 OK', ...kept, `To: ${header(text, 'To')};tag=mock`, 'Content-Length: 0', '', ''].join('\r\n'))
  }

  #request(id, text, line, method, from) {
    const call = header(text, 'Call-ID')
    const to = this.#other(text, line, from)
    if (method === 'INVITE' && !/;tag=/.test(header(text, 'To'))) this.calls.set(call, [from, to])
    const target = this.sockets.get(this.numbers.get(to))
    if (target === undefined) return method === 'ACK' ? undefined : this.sockets.get(id)?.send(answer(text, '480 Temporarily Unavailable'))
    const branch = /branch=([^;\s]+)/.exec(header(text, 'Via'))?.[1] ?? ''
    const [head, ...rest] = text.split('\r\n')
    // Who takes a place does not know whose other side it is.
    const meant = header(text, 'Replaces') === '' ? head : head.replace(/sips?:[^@]+@/, `sip:${to}@`)
    target.send([meant, `Via: SIP/2.0/WS mock.invalid;branch=z9hG4bK-mock-${branch};origin=${id}`, ...rest].join('\r\n'))
    const replaced = header(text, 'Replaces').split(';')[0] ?? ''
    if (method === 'INVITE' && replaced !== '') this.onCall({ kind: 'moved', id: replaced, from, to, by: call })
    if (method === 'INVITE' && replaced === '' && !/;tag=/.test(header(text, 'To'))) this.onCall({ kind: 'ringing', id: call, from, to })
    if (method === 'BYE' || method === 'CANCEL') this.onCall({ kind: 'over', id: call, from, to })
    return undefined
  }

  /** To whom a request goes: who takes a dialog's place talks to its other side. */
  #other(text, line, from) {
    const replaced = header(text, 'Replaces').split(';')[0] ?? ''
    const of = this.calls.get(replaced === '' ? header(text, 'Call-ID') : replaced)
    return of?.find((number) => number !== from) ?? userIn(line)
  }

  #response(text) {
    const lines = text.split('\r\n')
    const via = lines.findIndex((line) => line.startsWith('Via:'))
    const origin = /origin=(\w+)/.exec(lines[via] ?? '')?.[1]
    const call = header(text, 'Call-ID')
    if (/^SIP\/2\.0 200/.test(text) && header(text, 'CSeq').endsWith('INVITE')) this.onCall({ kind: 'answered', id: call, from: '', to: '' })
    this.sockets.get(origin)?.send([...lines.slice(0, via), ...lines.slice(via + 1)].join('\r\n'))
  }
}

function answer(text, status) {
  const kept = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(text, name)}`)
  return [`SIP/2.0 ${status}`, ...kept, 'Content-Length: 0', '', ''].join('\r\n')
}
