// Administers a tenant over gRPC with a library that is not ours (grpc-js) and the files of proto/ alone, as a program of somebody else
// would: lists, reads, creates, changes, deletes, and follows what changes over a reconnect. Says each step as a line of JSON on stdout;
// ends with 0 when everything held. Says no token, whatever happens.
//
// usage: GRPC_AT=… GRPC_TOKEN=… node e2e/provisioning.mjs
//
//   GRPC_AT       host and port of tenant's configuration, 127.0.16.1:8888 in instance 0
//   GRPC_TOKEN    a token of the tenant with config:read and config:write

import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'
import { assert, assertEqual, until } from './checks.mjs'

const PATIENCE_MS = 60_000
/** More pages than the tenant has objects. */
const PAGES_MAX = 1_000
const { ABORTED, CANCELLED, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, UNAUTHENTICATED } = grpc.status

function setting(name) {
  const value = process.env[name]
  if (value === undefined) {
    console.error(`${name} is not set`)
    process.exit(2)
  }
  return value
}

const at = setting('GRPC_AT')
const token = setting('GRPC_TOKEN')

// Numbers of 64 bits as texts: JavaScript's own are exact up to 53.
const read = { longs: String, oneofs: true, includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))] }
const files = ['trunkline/v1/provisioning.proto', 'trunkline/v1/config.proto']
const { Provisioning, Configuration } = grpc.loadPackageDefinition(protoLoader.loadSync(files, read)).trunkline.v1

function metadata(bearer = token) {
  const entries = new grpc.Metadata()
  if (bearer !== '') entries.set('authorization', `Bearer ${bearer}`)
  return entries
}

/** A client of both services with a connection of its own. */
function connect() {
  const apart = { 'grpc.use_local_subchannel_pool': 1 }
  const credentials = grpc.credentials.createInsecure()
  const [objects, changes] = [Provisioning, Configuration].map((Service) => new Service(at, credentials, apart))
  const ask = (method, message, entries = metadata()) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + PATIENCE_MS
      objects[method](message, entries, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)))
    })
  return {
    ask,
    change: (...edits) => ask('change', { changes: edits }),
    follow: (message) => changes.follow(message, metadata()),
    close: () => [objects, changes].forEach((client) => client.close()),
  }
}

/** The edit of an object: of those fields alone, if some are named, and of that revision alone, if one is. */
function put(kind, id, object, { fields = [], of } = {}) {
  const edit = { kind, id, put: { json: JSON.stringify(object), fields } }
  return of === undefined ? edit : { ...edit, expectedRevision: String(of) }
}

const remove = (kind, id) => ({ kind, id, delete: {} })
const NORA = { user_name: 'nora.node', first_name: 'Nora', last_name: 'First' }

/** The refusal that a request ends in. */
async function refusal(request, code, words) {
  try {
    await request
  } catch (error) {
    assertEqual(error.code, code, `${words}: ${error.details}`)
    return error
  }
  throw new Error(`${words}: it is not refused`)
}

/** The objects that a refusal blames, as bytes: who has the files of proto/ can read them. */
function blamed(error) {
  return error.metadata.get('trunkline-faults-bin').map((value) => Buffer.from(value).toString('latin1')).join('')
}

function say(step, found = {}) {
  console.log(JSON.stringify({ step, ...found }))
}

// === following ===

/** What a program knows that follows a tenant: the objects, and the revision after which it goes on. */
class Followed {
  constructor(kinds, known = new Map(), revision = 0n) {
    Object.assign(this, { kinds, known, revision, told: new Set() })
  }

  begin(client) {
    this.told = new Set()
    this.ended = null
    this.call = client.follow({ afterRevision: String(this.revision), kinds: this.kinds })
    this.call.on('data', (message) => this.take(message))
    this.call.on('error', (error) => (this.ended = error))
    this.call.on('end', () => (this.ended ??= new Error('the stream ends')))
  }

  take({ revision = '0', objects = [] }) {
    const next = BigInt(revision)
    // Within many changes the revision before them comes; it never goes back.
    if (next < this.revision) this.ended = new Error(`revision ${next} comes after ${this.revision}`)
    for (const { kind, id, json = '' } of objects) {
      this.told.add(`${kind}/${id}`)
      if (json === '') this.known.delete(`${kind}/${id}`)
      else this.known.set(`${kind}/${id}`, json)
    }
    this.revision = next
  }

  async reaches(revision) {
    await until(`revision ${revision} is told`, () => {
      if (this.ended !== null) throw this.ended
      return this.revision >= BigInt(revision)
    })
  }

  async stop() {
    this.call.cancel()
    await until('the stream is over', () => this.ended !== null)
    assertEqual(this.ended.code, CANCELLED, this.ended.message)
  }
}

/** All that a new follower is told at first. */
async function everything(client, kinds) {
  const followed = new Followed(kinds)
  followed.begin(client)
  await followed.reaches(1n)
  return followed
}

const sorted = (entries) => [...entries].sort(([one], [other]) => (one < other ? -1 : 1))

async function watch() {
  const kinds = ['skill', 'person']
  const first = connect()
  const followed = await everything(first, kinds)
  assert(followed.known.has('skill/Sales') && followed.known.has('person/ada.adler'), 'the first messages lack objects')
  followed.told.clear()
  const made = await first.change(put('skill', 'Node A', { name: 'Node A' }), put('person', NORA.user_name, NORA))
  await followed.reaches(made.revision)
  assertEqual([...followed.told].sort(), ['person/nora.node', 'skill/Node A'], 'what is told of a batch')
  await followed.stop()
  first.close()

  // Nobody follows: what happens now has to be told later, each object as it is then.
  const other = connect()
  await other.change(put('skill', 'Node B', { name: 'Node B' }))
  await other.change(remove('skill', 'Node A'))
  for (const last of ['Second', 'Third']) {
    await other.change(put('person', NORA.user_name, { last_name: last }, { fields: ['last_name'] }))
  }
  other.close()

  const second = connect()
  const before = followed.revision
  followed.begin(second)
  await followed.reaches(before + 4n)
  assertEqual([...followed.told].sort(), ['person/nora.node', 'skill/Node A', 'skill/Node B'], 'what is told after a reconnect')
  assert(JSON.parse(followed.known.get('person/nora.node')).last_name === 'Third', 'an object comes as it was')
  const live = await second.change(put('skill', 'Node C', { name: 'Node C' }), remove('person', NORA.user_name))
  await followed.reaches(live.revision)
  assertEqual(live.revision, String(before + 5n), 'the revision after all of it')

  const anew = await everything(second, kinds)
  assertEqual(sorted(followed.known), sorted(anew.known), 'who has followed and who reads anew')
  await anew.stop()
  await followed.stop()
  const gone = await second.change(remove('skill', 'Node B'), remove('skill', 'Node C'))
  second.close()
  say('watch', { from: String(before), to: gone.revision })
}

// === the steps ===

async function walk() {
  const client = connect()
  const names = []
  let page = { nextPageToken: '' }
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    page = await client.ask('list', { kinds: ['skill'], pageSize: 1, pageToken: page.nextPageToken })
    names.push(...(page.objects ?? []).map((object) => object.id))
    if ((page.nextPageToken ?? '') === '') break
  }
  assertEqual(names, ['English', 'Sales', 'Support'], 'the skills, page by page')
  const filtered = await client.ask('list', { kinds: ['person'], filter: { skill: 'sales' }, fields: ['user_name'] })
  const isName = ({ json }) => JSON.stringify(Object.keys(JSON.parse(json))) === '["user_name"]'
  assert(filtered.objects.length > 0 && filtered.objects.every(isName), 'the fields of a list')
  say('list', { skills: names.length, people: filtered.objects.length })

  const ada = await client.ask('get', { kind: 'person', id: 'ada.adler' })
  const shown = JSON.parse(ada.json)
  assert(shown.user_name === 'ada.adler' && BigInt(ada.revision) > 0n, 'a person')
  assert(!ada.json.includes('argon2') && (shown.agent.pin ?? null) === null, 'a secret is shown')
  await refusal(client.ask('get', { kind: 'person', id: 'nobody.known' }), NOT_FOUND, 'nobody')
  await refusal(client.ask('get', { kind: 'person', id: 'ada.adler' }, metadata('')), UNAUTHENTICATED, 'no token')
  say('read')

  const made = await client.change(put('person', NORA.user_name, NORA, { of: 0 }))
  assertEqual([made.changed, made.objects[0].revision], [1, made.revision], 'a new person')
  const again = await refusal(client.change(put('person', NORA.user_name, NORA, { of: 0 })), ABORTED, 'made twice')
  assert(again.details.includes('it exists already') && blamed(again).includes(NORA.user_name), again.details)
  say('create')

  const rename = (last, of) => client.change(put('person', NORA.user_name, { last_name: last }, { fields: ['last_name'], of }))
  const renamed = await rename('Second', made.revision)
  assert(BigInt(renamed.revision) > BigInt(made.revision), 'a change has no revision')
  const late = await refusal(rename('Late', made.revision), ABORTED, 'an edit of an earlier revision')
  assert(late.details.includes(`it is at revision ${renamed.revision}`), late.details)
  const now = await client.ask('get', { kind: 'person', id: NORA.user_name })
  assertEqual([JSON.parse(now.json).last_name, now.revision], ['Second', renamed.revision], 'after the conflict')
  await rename('Third', now.revision)
  const agent = { id: '9001', login_code: '9001', skills: [{ skill: 'Patience', level: 5 }] }
  const wrong = put('person', NORA.user_name, { agent }, { fields: ['agent'] })
  const half = put('skill', 'Node', { name: 'Node' })
  const faulty = await refusal(client.change(wrong, half), INVALID_ARGUMENT, 'a skill that is not there')
  assert(faulty.details.includes('there is no skill Patience') && blamed(faulty).includes('agent.skills'), faulty.details)
  await refusal(client.ask('get', { kind: 'skill', id: 'Node' }), NOT_FOUND, 'half of a batch')
  say('update', { revision: renamed.revision })

  await refusal(client.change(remove('skill', 'Sales')), FAILED_PRECONDITION, 'a skill that agents have')
  const gone = await client.change(remove('person', NORA.user_name))
  assertEqual(gone.objects[0].revision ?? '0', '0', 'the revision of what is gone')
  await refusal(client.ask('get', { kind: 'person', id: NORA.user_name }), NOT_FOUND, 'who was deleted')
  say('delete')
  client.close()

  await watch()
}

try {
  await walk()
} catch (error) {
  const words = [error.name, error.details ?? error.message, error.code].filter((word) => word !== undefined).join(': ')
  console.error(words.replaceAll(token, '…'))
  process.exitCode = 1
}
