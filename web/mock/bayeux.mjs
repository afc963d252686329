// Bayeux by long polls, as the Workspace API has it: messages wait for their subscription, and with the ack extension until they are known to have come.

import { randomUUID } from 'node:crypto'

const HELD_MS = 20_000

/** The clients of one session. `stateOf` answers what a client is told of a channel as soon as it listens to it: as the server, the state as it is. */
export class Hub {
  constructor(stateOf = () => []) {
    this.clients = new Map()
    this.stateOf = stateOf
  }

  publish(channel, data) {
    for (const client of this.clients.values()) {
      client.queue.push({ channel, data })
      this.#flush(client)
    }
  }

  /** Ends the polls that wait, as a lost network does; nothing is lost by it. */
  cut() {
    for (const client of this.clients.values()) {
      client.parked?.response.destroy()
      this.#unpark(client)
    }
  }

  /** Lets all clients go, as where others have taken their places. */
  replace() {
    for (const client of this.clients.values()) {
      this.clients.delete(client.id)
      if (client.parked !== undefined) send(client.parked.response, [{ ...client.parked.reply, successful: false, error: '402::Unknown client', advice: { reconnect: 'none' } }])
      this.#unpark(client)
    }
  }

  /** Answers a batch of messages. */
  answer(messages, response) {
    const replies = []
    for (const message of messages) {
      const reply = { id: message.id, channel: message.channel, successful: true }
      const client = this.clients.get(message.clientId)
      if (message.channel === '/meta/handshake') replies.push({ ...reply, ...this.#handshake(message) })
      else if (client === undefined) replies.push({ ...reply, successful: false, error: '402::Unknown client', advice: { reconnect: 'handshake', interval: 0 } })
      else if (message.channel === '/meta/connect') {
        if (this.#connect(client, message, { ...reply, advice: { reconnect: 'retry', interval: 0, timeout: HELD_MS } }, response)) return
        replies.push(...this.#takeAll(client), this.#acknowledged(client, reply))
      } else replies.push({ ...reply, subscription: message.subscription, ...this.#other(client, message) })
    }
    send(response, replies)
  }

  #handshake({ ext }) {
    const id = randomUUID()
    this.clients.set(id, { id, queue: [], sent: [], batch: 0, acknowledges: ext?.ack === true, subscriptions: new Set(), parked: undefined })
    return { clientId: id, version: '1.0', supportedConnectionTypes: ['long-polling'], advice: { reconnect: 'retry', interval: 0, timeout: HELD_MS }, ...(ext?.ack === true ? { ext: { ack: true } } : {}) }
  }

  #other(client, { channel, subscription }) {
    if (channel === '/meta/subscribe') {
      if (!client.subscriptions.has(subscription)) client.queue.push(...this.stateOf(subscription).map((data) => ({ channel: subscription, data })))
      client.subscriptions.add(subscription)
    }
    else if (channel === '/meta/unsubscribe') client.subscriptions.delete(subscription)
    else if (channel === '/meta/disconnect') {
      this.clients.delete(client.id)
      if (client.parked !== undefined) send(client.parked.response, [client.parked.reply])
      this.#unpark(client)
    } else return { successful: false, error: '403::Publications are refused' }
    // After the answer, so that the client knows of its subscription.
    setTimeout(() => this.#flush(client), 5)
    return {}
  }

  /** Whether the poll waits. */
  #connect(client, { ext, advice }, reply, response) {
    if (client.parked !== undefined) send(client.parked.response, [client.parked.reply])
    this.#unpark(client)
    // What was sent and has not come is sent again, in front of what came later.
    if (client.acknowledges && (ext?.ack ?? 0) < client.batch) client.queue.unshift(...client.sent)
    client.sent = []
    if (advice?.timeout === 0 || client.queue.some(({ channel }) => client.subscriptions.has(channel))) return false
    const timer = setTimeout(() => this.#flush(client, true), HELD_MS)
    client.parked = { response, reply, timer }
    response.on('close', () => (client.parked?.response === response ? this.#unpark(client) : undefined))
    return true
  }

  #flush(client, isOver = false) {
    if (client.parked === undefined) return
    if (!isOver && !client.queue.some(({ channel }) => client.subscriptions.has(channel))) return
    const { response, reply } = client.parked
    this.#unpark(client)
    send(response, [...this.#takeAll(client), this.#acknowledged(client, reply)])
  }

  #takeAll(client) {
    const ready = client.queue.filter(({ channel }) => client.subscriptions.has(channel))
    client.queue = client.queue.filter(({ channel }) => !client.subscriptions.has(channel))
    client.sent = ready
    return ready
  }

  #acknowledged(client, reply) {
    if (!client.acknowledges) return reply
    client.batch += 1
    return { ...reply, ext: { ack: client.batch } }
  }

  #unpark(client) {
    clearTimeout(client.parked?.timer)
    client.parked = undefined
  }
}

function send(response, messages) {
  if (!response.writableEnded && !response.destroyed) response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(messages))
}
