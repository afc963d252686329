// Answers the pages' APIs without an installation: for work on the pages and for tests that need a connection to break
// at a certain moment. Serves web/dist too, with the content security policy that the pages must live with.
//
// usage: node mock/server.mjs [--port 4400] [--agents 40] [--queues 4] [--rate 1] [--talk-ms 30000] [--people 60] [--calls 1]

import { createServer } from 'node:http'
import { existsSync, readFileSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CallCentre } from './call-centre.mjs'
import { traces, traceOf } from './traces.mjs'
import { Drawing } from './drawing.mjs'
import { Desks } from './desk.mjs'
import { Setup } from './setup.mjs'

export const TOKEN = 'mock-token'
/** What stands for it once the page has given it up. */
const LINK = 'mock-link'
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const DIST = fileURLToPath(new URL('../dist/', import.meta.url))
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const STEP_MS = 50
const REACHED_MS = 5_000

/** Starts it; `accepts` and `cut` let a test end things. */
export async function startMock(options = {}) {
  const centre = new CallCentre(options)
  const drawing = new Drawing()
  const setup = new Setup({ people: options.people })
  const desks = new Desks(setup, { calls: options.calls === 1, wrapUpMs: options.wrapUpMs })
  const mock = { accepts: true, streams: new Set(), seen: [] }
  const server = createServer((request, response) => void answer({ request, response, centre, drawing, setup, desks, mock }))
  let last = Date.now()
  const stepping = setInterval(() => {
    const now = Date.now()
    const changed = centre.step(now, now - last)
    last = now
    if (changed.queues.size + changed.agents.size > 0) send(mock.streams, 'change', centre.change(now, changed), centre.position)
  }, STEP_MS)
  const reaching = setInterval(() => send(mock.streams, 'reached', { at: Date.now() }), REACHED_MS)
  server.on('upgrade', (request, socket) => desks.phones.upgrade(request, socket))
  await new Promise((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  desks.host = `127.0.0.1:${server.address().port}`
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    centre,
    setup,
    desks,
    seen: mock.seen,
    refuseTokens: () => (mock.accepts = false),
    cut: () => mock.streams.forEach((stream) => stream.destroy()),
    close: () => {
      clearInterval(stepping)
      clearInterval(reaching)
      desks.close()
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer({ request, response, centre, drawing, setup, desks, mock }) {
  const url = new URL(request.url, 'http://localhost')
  if (url.pathname.startsWith('/telemetry/v1/')) return response.writeHead(202, { 'content-type': 'application/json' }).end('{"accepted":0,"dropped":0}')
  if (url.pathname === '/session/exchange') {
    if (!mock.accepts || request.headers.authorization !== `Bearer ${TOKEN}`) return problem(response, 401, 'the token has expired')
    return json(response, { link: LINK })
  }
  if (await setup.answer(request, response, url)) return
  if (await desks.answer(request, response, url)) return
  const isApi = url.pathname.startsWith('/pulse/') || url.pathname.startsWith('/api/')
  if (!isApi) return sendFile(response, url.pathname)
  mock.seen.push({ path: url.pathname, lastEventId: request.headers['last-event-id'] })
  const { authorization, 'trunkline-link': link } = request.headers
  const isShown = authorization === `Bearer ${TOKEN}` || (authorization === undefined && link === LINK)
  const isKnown = authorization === undefined && link === undefined ? setup.accountOf(request) !== undefined : isShown
  if (!mock.accepts || !isKnown) return problem(response, 401, 'the token has expired')
  const parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent)
  if (url.pathname.endsWith('/wallboard/stream')) return stream(response, centre, mock)
  if (url.pathname.endsWith('/wallboard')) return json(response, centre.snapshot(Date.now()))
  if (url.pathname === '/api/operations/v1/topology') return json(response, drawing.now(Date.now()))
  if (parts[4] === 'traces' && parts.length === 5) return json(response, traces())
  if (parts[4] === 'traces') {
    const trace = traceOf(parts[5])
    return trace === undefined ? problem(response, 404, 'no such call') : json(response, trace)
  }
  return problem(response, 404, 'no such path')
}

function stream(response, centre, mock) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  send([response], 'snapshot', centre.snapshot(Date.now()), centre.position)
  mock.streams.add(response)
  response.on('close', () => mock.streams.delete(response))
}

function send(streams, event, body, id) {
  const text = `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(body)}\n\n`
  for (const response of streams) response.write(text)
}

function json(response, body) {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function problem(response, status, detail) {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ title: 'refused', status, detail }))
}

function sendFile(response, path) {
  const file = normalize(join(DIST, path))
  // Names of people have dots in them, too.
  const isPage = !file.startsWith(DIST) || extname(path) === '' || path.startsWith('/agent-setup/')
  const found = isPage ? join(DIST, 'index.html') : file
  if (!existsSync(found)) return problem(response, 404, 'not built: npm run build')
  response.writeHead(200, { 'content-type': TYPES[extname(found)] ?? 'application/octet-stream', 'content-security-policy': CSP })
  response.end(readFileSync(found))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`)
    return at < 0 ? otherwise : Number(process.argv[at + 1])
  }
  const mock = await startMock({
    port: option('port', 4400),
    agents: option('agents', 40),
    queues: option('queues', 4),
    callsPerSecond: option('rate', 1),
    talkMs: option('talk-ms', 30_000),
    people: option('people', 60),
    calls: option('calls', 1),
  })
  console.log(`${mock.url}/#token=${TOKEN}&tenant=example`)
}
