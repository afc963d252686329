// Chromium for the tests: found on this machine, never downloaded; quiet, and with a profile of its own.

import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { within } from './checks.mjs'

const PLACES = [process.env.TRUNKLINE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].filter(Boolean)

/** How long the browser may take for a step: the tests share a machine. */
const PATIENCE_MS = 90_000

/** How long a page, a context, a browser or the mock server may take to end. */
const END_MS = 30_000

/**
 * Ends a page, a context, a browser or the mock server. Chromium sometimes never says that it has ended a page which was on its way
 * elsewhere, and the server then waits for that page; what is left of them ends with this process.
 */
export const end = (what) => within(END_MS, 'what a task has opened ends', what.close()).catch((error) => console.log(`        ${error.message}`))

/** Where `localhost` leads for a link: some things need a name, and an installation of the tests has none. */
export function localhostOf(link) {
  const { hostname } = new URL(link)
  return /^127\./.test(hostname) ? hostname : undefined
}

/**
 * `localhost` leads to that address, where one is given. `microphone` is a WAV that every page hears as its microphone: it is one for a whole
 * browser. TRUNKLINE_MICROPHONE names the usual one.
 */
export async function startBrowser(localhost, microphone = process.env.TRUNKLINE_MICROPHONE) {
  const phone = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${microphone}`]
  // The other end of a test's call is on this machine.
  phone.push('--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection')
  phone.push('--disable-features=LocalNetworkAccessChecks,WebRtcHideLocalIpsWithMdns')
  const executablePath = PLACES.find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error(`no Chromium at ${PLACES.join(', ')}; TRUNKLINE_CHROMIUM names another place`)
  return chromium.launch({
    executablePath,
    timeout: PATIENCE_MS,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...(microphone === undefined ? [] : phone),
      ...(localhost === undefined ? [] : [`--host-resolver-rules=MAP localhost ${localhost}`]),
    ],
  })
}

/** A page that keeps what a clean run must not have: errors in the console, exceptions, violations of the policy. */
export async function openPage(browser, { width = 1920, height = 1080, theme = 'dark', reducedMotion = 'no-preference', locale = 'en-GB' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme === 'light' ? 'light' : 'dark', reducedMotion, locale })
  context.setDefaultTimeout(PATIENCE_MS)
  const page = await context.newPage()
  const faults = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.text().includes('Content Security Policy')) faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  return { page, faults, close: () => end(context) }
}
