// The topology as the operator's API answers it: the rows of data/, with states and counts that move.

import { readFileSync } from 'node:fs'
import { seeded } from './call-centre.mjs'

const rowsOf = (name) => {
  const [head, ...lines] = readFileSync(new URL(`../../data/${name}`, import.meta.url), 'utf8').trim().split('\n')
  const keys = head.split('\t')
  return lines.map((line) => Object.fromEntries(line.split('\t').map((value, index) => [keys[index], value])))
}
const BUILT = ['sip-proxy', 'sip-cluster', 'sip-vq', 'registrar', 'dialplan', 'config', 'frontend', 'webrtc', 'agent-state', 'call-state', 'rq', 'ors', 'media', 'tenant', 'auth', 'ingress', 'pulse', 'telemetry', 'bds', 'wfm-adapter', 'agent-setup', 'gws-proxy', 'gws-configuration', 'gws-data-collector', 'gws-interaction', 'gws-voice', 'gws-setting', 'gws-statistics', 'gws-workspace', 'gws-provisioning', 'salesforce-adapter']
const STORES = ['redis', 'postgresql', 'kafka', 'object-storage', 'consul']

export class Drawing {
  constructor() {
    const chance = seeded(3)
    const rows = [...rowsOf('connections.tsv'), ...rowsOf('own-connections.tsv').map((row) => ({ ...row, note: row.why, own: true }))]
    this.connections = rows.map((row) => this.connection(row, chance))
    this.chance = chance
  }

  connection(row, chance) {
    const isBuilt = [...BUILT, 'phone', 'sbc', 'browser', 'internet', 'operator', 'prometheus'].includes(row.from) && (BUILT.includes(row.to) || STORES.includes(row.to))
    const state = !isBuilt ? 'absent' : STORES.includes(row.to) ? 'embedded' : chance() < 0.7 ? 'open' : chance() < 0.5 ? 'idle' : chance() < 0.6 ? 'unused' : chance() < 0.6 ? 'failing' : 'missing'
    return {
      id: row.id, from: row.from, to: row.to, protocol: row.protocol, port: row.port, carries: row.carries, note: row.note ?? '', own: row.own === true,
      coverage: state === 'open' || state === 'embedded' ? 'proven' : state === 'absent' ? 'not-yet' : 'declared',
      proof: state === 'open' || state === 'embedded' ? 'routing::sales_is_answered_by_an_agent_with_the_skill' : null,
      state, open: state === 'open' ? 1 : 0, attempts: 3, requests: 0, bytesIn: 0, bytesOut: 0, errors: state === 'failing' ? 4 : 0, lastUse: null, sameAs: [],
      why: state === 'missing' ? ['nothing listens there'] : state === 'failing' ? ['refused'] : [],
      peers: state === 'open' ? [{ node: `${row.from}-1`, side: 'opens', peer: `${row.to}-1`, open: 1, attempts: 1, requests: 0, bytesIn: 0, bytesOut: 0, errors: 0, lastUse: null }] : [], pace: chance() * 40,
    }
  }

  now(at) {
    for (const connection of this.connections) {
      if (connection.state !== 'open' && connection.state !== 'embedded') continue
      const some = Math.floor(this.chance() * connection.pace)
      connection.requests += some
      connection.bytesIn += some * 420
      connection.bytesOut += some * 900
      if (some > 0) connection.lastUse = at
    }
    const drawn = this.connections.filter((connection) => !connection.own)
    const counted = (coverage) => drawn.filter((connection) => connection.coverage === coverage).length
    return {
      at,
      instance: 0,
      roles: BUILT.map((role) => ({ role, node: `${role}-1`, address: '127.0.0.1', ready: role !== 'ors', pid: 4711, lives: 1, since: at - 60_000, clock: at, missing: role === 'ors' ? ['voice-43: no application server'] : [] })),
      connections: this.connections.map(({ pace, ...row }) => row),
      coverage: { proven: counted('proven'), declared: counted('declared'), notYet: counted('not-yet'), total: drawn.length },
    }
  }
}
