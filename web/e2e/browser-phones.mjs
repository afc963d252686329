// The phone of a desktop: it has a ticket of the desktop's session and no password, and its call outlives its page and its network.

import { assert } from './checks.mjs'
import { becomes, hangsUp, hears, holds, openPhone, startPhone } from './phones.mjs'

/** A ticket, as an account of a phone. The page of this test is one, so it always names itself alike. */
async function account(web, cookie) {
  const answer = await fetch(`${web}/workspace/v3/browser-phone`, {
    method: 'POST',
    headers: { cookie: `WORKSPACE_SESSIONID=${cookie}`, 'content-type': 'application/json' },
    body: JSON.stringify({ data: { device: 'tab' } }),
  })
  const { status, data } = await answer.json()
  assert(status.code === 0, `no ticket: ${answer.status} ${status.message}`)
  return { url: data.url, domain: data.realm, user: data.number, password: '' }
}

/** The call goes on after the page is loaded again: the page's next call takes the place of it. */
async function reloads(page, say, [library, web, cookie, number, folder]) {
  const replaces = await page.evaluate(() => window.phone.replaces())
  await page.reload()
  await startPhone(page, library, await account(web, cookie))
  await becomes(page, 'registered')
  await page.evaluate(([number, replaces]) => void window.phone.dial(number, [replaces]), [number, replaces])
  await becomes(page, 'talks')
  await hears(page, `${folder}/reloaded.wav`)
  say('heard reloaded')
}

/** The call goes on after the WebSocket is lost: the page opens another one. */
async function loses(page, say, [, web, cookie, , folder]) {
  const { url } = await account(web, cookie)
  await page.evaluate((url) => window.phone.reconnect(url), url)
  await hears(page, `${folder}/reconnected.wav`)
  say('heard reconnected')
}

/**
 * A phone registers by a ticket, calls a number and hears it; with SIP.js its page is loaded again, and its WebSocket lost, in the same call.
 * It holds and retrieves the call and hangs up; then it is called and hears the caller, who hangs up. Paths: the library, the web edge, the
 * cookie of the desktop's session, number, and a folder for what it hears.
 */
export async function ticketPhone({ browser, paths, say }) {
  const [library, web, cookie, number, folder] = paths
  const { page, close } = await openPhone(browser, library, await account(web, cookie))
  await becomes(page, 'registered')
  say('registered')
  await page.evaluate((number) => void window.phone.dial(number), number)
  await becomes(page, 'talks')
  await hears(page, `${folder}/called.wav`)
  say('heard called')
  if (library === 'sip.js') {
    await reloads(page, say, paths)
    await loses(page, say, paths)
  }
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
