// Telemetry, as a browser has it: what the pages tell of themselves, and OpenTelemetry's SDK for browsers.

import { fileURLToPath } from 'node:url'
import { openPage } from './browser.mjs'
import { assert, until } from './checks.mjs'

const WEB = fileURLToPath(new URL('..', import.meta.url))
/** Long enough for a stall that is told. */
const STALL_MS = 400

/** Somebody looks at pages, a script of one fails with what they typed, and a press is answered late. The caller reads what is told. */
export async function pageWatch({ browser, link }) {
  const { page, close } = await openPage(browser)
  await page.goto(link)
  await page.getByText('Live', { exact: true }).waitFor()
  await page.getByRole('link', { name: 'Traces' }).click()
  await page.waitForURL('**/trace')
  await page.evaluate((stallMs) => {
    document.addEventListener('pointerdown', () => {
      const end = performance.now() + stallMs
      while (performance.now() < end);
    })
    setTimeout(() => {
      throw new Error('no such person: ann@desk.example, +4930123456')
    })
  }, STALL_MS)
  await page.locator('body').click({ position: { x: 1, y: 1 } })
  const told = []
  page.on('response', (response) => {
    if (response.url().endsWith('/telemetry/v1/traces') && response.status() === 202) told.push(response.request().postData() ?? '')
  })
  await until('the page has told of the press', () => told.some((body) => body.includes('interaction_delay_ms')))
  await close()
}

/** The SDK, packed for a browser as any page packs it. */
async function packedSdk() {
  // Loaded here, because the other tasks run by an older Node.js too.
  const { build } = await import('vite')
  const built = await build({
    root: WEB,
    configFile: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
    build: { write: false, minify: false, target: 'es2022', lib: { entry: 'e2e/otel-sdk.mjs', formats: ['iife'], name: 'openTelemetryOfTask' } },
  })
  const [{ output }] = [built].flat()
  return output[0].code
}

/** A page tells of itself by OpenTelemetry's own SDK. The caller reads what the collector has got. */
export async function openTelemetry({ browser, link, say }) {
  const sdk = await packedSdk()
  const { page, close } = await openPage(browser)
  const answers = []
  page.on('response', (response) => {
    if (response.url().includes('/telemetry/v1/')) answers.push(`${response.status()} ${response.request().headers()['content-type'] ?? ''}`)
  })
  const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token')
  await page.goto(link)
  await page.getByText('Live', { exact: true }).waitFor()
  // Through the debugger, because the page's policy forbids foreign scripts, as it should.
  await page.evaluate(`${sdk};0`)
  await page.evaluate((shown) => window.tellByOpenTelemetry(shown), token)
  say(`answers ${JSON.stringify(answers)}`)
  // The page tells of itself besides, and is answered 202.
  const refused = answers.filter((answer) => !/^20[02] /.test(answer))
  assert(refused.length === 0, `the SDK is refused: ${refused.join(', ')}`)
  await close()
}
