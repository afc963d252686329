// Phones in a browser, by the two libraries that integrators use, unchanged: what they register, say and hear.

import { existsSync, writeFileSync } from 'node:fs'
import { build } from 'vite'
import { end } from './browser.mjs'
import { assert, until } from './checks.mjs'
import { wavOf } from './heard.mjs'

// A secure context that needs no server: a microphone is given to no other.
const PAGE = 'https://phone.example/'
const HEARD_SECONDS = 5
const HEARD_RATE = 8_000

/** A library from node_modules as one script, which leaves it in `globalThis.library`. */
async function bundled(name) {
  const entry = '\0entry'
  const plugin = {
    name: 'entry',
    resolveId: (id) => (id === 'entry' ? entry : null),
    load: (id) => (id === entry ? `import * as all from '${name}'; globalThis.library = all.default ?? all` : null),
  }
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [plugin],
    build: { write: false, minify: false, rollupOptions: { input: 'entry', output: { format: 'iife' } } },
  })
  return [built].flat()[0].output[0].code
}

/** A page with a phone. What it has to say is in `window.phone`: `state`, `why`, and after `hear` the audio. */
export async function openPhone(browser, library, account) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions: ['microphone'] })
  await context.route(PAGE, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>phone</title>' }))
  const page = await context.newPage()
  page.on('pageerror', (error) => console.error(`exception: ${error.message}`))
  page.on('console', (message) => console.error(`console: ${message.text()}`))
  await page.goto(PAGE)
  await startPhone(page, library, account)
  return { page, close: () => end(context) }
}

/** A phone on a page that has been loaded, or loaded again. */
export async function startPhone(page, library, account) {
  await page.addScriptTag({ content: await bundled(library) })
  await page.evaluate(prepare, { rate: HEARD_RATE })
  await page.evaluate(library === 'jssip' ? startJsSip : startSipJs, account)
}

// The following run in the page.

function prepare({ rate }) {
  const phone = { state: 'starting', why: '', connection: null }
  window.phone = phone
  // The processing of a browser is for rooms with people, not for tones.
  phone.media = { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video: false }
  phone.hear = async (seconds) => {
    const [receiver] = phone.connection.getReceivers()
    const stream = new MediaStream([receiver.track])
    // Without an element that plays it Chromium gives the audio to nobody.
    const element = new Audio()
    Object.assign(element, { srcObject: stream, muted: true })
    await element.play()
    const context = new AudioContext({ sampleRate: rate })
    await context.resume()
    const source = context.createMediaStreamSource(stream)
    const tap = context.createScriptProcessor(1024, 1, 1)
    const samples = []
    source.connect(tap)
    tap.connect(context.destination)
    await new Promise((resolve) => {
      tap.onaudioprocess = ({ inputBuffer }) => {
        samples.push(...inputBuffer.getChannelData(0))
        if (samples.length >= seconds * rate) resolve()
      }
    })
    await context.close()
    return samples.map((sample) => Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))))
  }
  phone.path = async () => {
    const stats = [...(await phone.connection.getStats()).values()]
    const transport = stats.find((it) => it.type === 'transport')
    const codec = stats.find((it) => it.type === 'codec')
    return `${transport?.tlsVersion} ${transport?.srtpCipher} ${transport?.dtlsState} ${codec?.mimeType}`
  }
}

/** The codecs of a call, of what it sends and of what it hears; nothing until both have come. */
async function codecsOfCall() {
  const stats = await window.phone.connection.getStats()
  const codecOf = (type) => stats.get([...stats.values()].find((it) => it.type === type && it.kind === 'audio')?.codecId)?.mimeType
  const both = ['outbound-rtp', 'inbound-rtp'].map(codecOf)
  return both.includes(undefined) ? null : both.join(' ')
}

function startJsSip({ url, user, password, domain }) {
  const { phone, library: JsSIP } = window
  const agent = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${user}@${domain}`, password })
  const follow = (session) => {
    phone.session = session
    session.on('confirmed', () => Object.assign(phone, { connection: session.connection, state: 'talks' }))
    session.on('ended', () => Object.assign(phone, { state: 'over' }))
    session.on('failed', ({ cause, message }) => Object.assign(phone, { state: 'failed', why: `${cause} ${message?.status_code ?? ''}` }))
  }
  agent.on('registered', () => Object.assign(phone, { state: 'registered' }))
  agent.on('registrationFailed', ({ cause }) => Object.assign(phone, { state: 'failed', why: cause }))
  agent.on('newRTCSession', ({ session, originator }) => {
    follow(session)
    if (originator === 'remote') session.answer({ mediaConstraints: phone.media })
  })
  phone.dial = (number) => agent.call(`sip:${number}@${domain}`, { mediaConstraints: phone.media })
  phone.hold = () => new Promise((resolve) => phone.session.hold({}, resolve))
  phone.unhold = () => new Promise((resolve) => phone.session.unhold({}, resolve))
  phone.hangUp = () => phone.session.terminate()
  phone.leave = () => new Promise((resolve) => agent.on('unregistered', resolve) && agent.unregister())
  agent.start()
}

async function startSipJs({ url, user, password, domain, replaces }) {
  const { phone, library: SIP } = window
  const options = { sessionDescriptionHandlerOptions: { constraints: phone.media } }
  const follow = (session) => {
    phone.session = session
    session.stateChange.addListener((state) => {
      if (state === 'Established') Object.assign(phone, { connection: session.sessionDescriptionHandler.peerConnection, state: 'talks' })
      // One whose place another has taken is not the call any more.
      if (state === 'Terminated' && phone.session === session) Object.assign(phone, { state: 'over' })
    })
  }
  const agent = new SIP.UserAgent({
    uri: SIP.UserAgent.makeURI(`sip:${user}@${domain}`),
    transportOptions: { server: url },
    // A page that is loaded again goes on with its call: it does not hang up before.
    gracefulShutdown: false,
    authorizationUsername: user,
    authorizationPassword: password,
    logLevel: 'error',
    ...(replaces === true ? { sipExtensionReplaces: SIP.SIPExtension.Supported } : {}),
    delegate: {
      onInvite: (invitation) => {
        follow(invitation)
        void invitation.accept(options)
      },
    },
  })
  const registerer = new SIP.Registerer(agent)
  registerer.stateChange.addListener((state) => {
    if (state === 'Registered') Object.assign(phone, { state: 'registered' })
  })
  const renegotiate = async (hold) => {
    phone.session.sessionDescriptionHandlerOptionsReInvite = { hold }
    await new Promise((resolve, reject) => phone.session.invite({ requestDelegate: { onAccept: resolve, onReject: reject } }))
  }
  phone.dial = async (number, extraHeaders = []) => {
    const inviter = new SIP.Inviter(agent, SIP.UserAgent.makeURI(`sip:${number}@${domain}`), { ...options, extraHeaders })
    follow(inviter)
    await inviter.invite({ requestDelegate: { onReject: ({ message }) => Object.assign(phone, { state: 'failed', why: message.statusCode }) } })
  }
  phone.hold = () => renegotiate(true)
  phone.unhold = () => renegotiate(false)
  phone.hangUp = () => phone.session.bye()
  // What the call is known by (RFC 3891): the page that is loaded next takes it over.
  phone.replaces = () => {
    const { callId, localTag, remoteTag } = phone.session.dialog
    return `Replaces: ${callId};to-tag=${remoteTag};from-tag=${localTag}`
  }
  phone.reconnect = async (server) => {
    await agent.transport.disconnect()
    agent.transport.configuration.server = server
    await agent.transport.connect()
    await registerer.register()
  }
  phone.leave = () => registerer.unregister()
  await agent.start()
  await registerer.register()
}

// The tasks.

export async function becomes(page, state) {
  const found = await until(`the phone ${state}`, async () => {
    const { state: is, why } = await page.evaluate(() => ({ state: window.phone.state, why: window.phone.why }))
    return is === state || is === 'failed' ? { is, why } : null
  }, 120_000)
  assert(found.is === state, `the phone has failed instead of ${state}: ${found.why}`)
}

export async function hears(page, file) {
  writeFileSync(file, wavOf(await page.evaluate((seconds) => window.phone.hear(seconds), HEARD_SECONDS), HEARD_RATE))
}

/** A phone that has registered and talks to a number, which it hears. */
async function calling(browser, say, [library, url, domain, user, password, number, folder]) {
  const { page, close } = await openPhone(browser, library, { url, domain, user, password })
  await becomes(page, 'registered')
  say('registered')
  await page.evaluate((number) => void window.phone.dial(number), number)
  await becomes(page, 'talks')
  await hears(page, `${folder}/called.wav`)
  return { page, close }
}

/** Holds the call, retrieves it and hears it again. */
export async function holds(page, say, folder) {
  await page.evaluate(() => window.phone.hold())
  say('holds')
  await page.evaluate(() => window.phone.unhold())
  await hears(page, `${folder}/retrieved.wav`)
  say('heard retrieved')
}

export async function hangsUp(page) {
  await page.evaluate(() => window.phone.hangUp())
  await becomes(page, 'over')
}

/**
 * A phone registers, calls a number and hears it, holds and retrieves the call, hears it again and hangs up; then it is called and hears the
 * caller, who hangs up. Paths: the library, the WebSocket's address, domain, user, password, number, and a folder for what it hears.
 */
export async function phone({ browser, paths, say }) {
  const folder = paths.at(-1)
  const { page, close } = await calling(browser, say, paths)
  say(`path ${await page.evaluate(() => window.phone.path())}`)
  say('heard called')
  await holds(page, say, folder)
  await hangsUp(page)
  say('waits')
  await becomes(page, 'talks')
  await hears(page, `${folder}/caller.wav`)
  say('heard caller')
  await becomes(page, 'over')
  await page.evaluate(() => window.phone.leave())
  await close()
}

/**
 * A phone in whose call servers fail: it calls a number and hears it, hears it again once the file `hear` is in the folder, holds and retrieves
 * the call, hears it again and hangs up. Paths: as of `phone`.
 */
export async function lastingPhone({ browser, paths, say }) {
  const folder = paths.at(-1)
  const { page, close } = await calling(browser, say, paths)
  say('heard called')
  await until('the word to hear', () => existsSync(`${folder}/hear`), 240_000)
  await hears(page, `${folder}/after.wav`)
  say('heard after')
  await holds(page, say, folder)
  await hangsUp(page)
  await close()
}

/**
 * A phone calls a number, or is called where that is empty; it says in which codecs it sends and hears, hears the other one, and waits until that one
 * hangs up, or hangs up itself once the file `enough` is in the folder. Paths: as of `phone`.
 */
export async function codecPhone({ browser, paths, say }) {
  const [library, url, domain, user, password, number, folder] = paths
  const { page, close } = await openPhone(browser, library, { url, domain, user, password })
  await becomes(page, 'registered')
  say('registered')
  if (number !== '') await page.evaluate((number) => void window.phone.dial(number), number)
  await becomes(page, 'talks')
  say(`codec ${await until('audio goes both ways', () => page.evaluate(codecsOfCall))}`)
  await hears(page, `${folder}/heard-${user}.wav`)
  say('heard')
  if (number !== '') {
    await until('the word to end', () => existsSync(`${folder}/enough`), 240_000)
    await page.evaluate(() => window.phone.hangUp())
  }
  await becomes(page, 'over')
  await page.evaluate(() => window.phone.leave())
  await close()
}
