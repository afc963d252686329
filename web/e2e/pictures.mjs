// Takes pictures of the pages, to be looked at: both themes, a wall, a desk and a phone.
//
// usage: node e2e/pictures.mjs LINK FOLDER [PATH ...]     LINK as `trunkline demo` prints it, with the token

import { mkdirSync } from 'node:fs'
import { openPage, startBrowser } from './browser.mjs'

const [link, folder, ...given] = process.argv.slice(2)
if (link === undefined || folder === undefined) throw new Error('usage: node e2e/pictures.mjs LINK FOLDER [PATH ...]')
const wanted = given.length > 0 ? given : ['/', '/topology', '/trace']
const SIZES = { wall: [1920, 1080], desk: [1366, 768], phone: [390, 844] }

mkdirSync(folder, { recursive: true })
const browser = await startBrowser()
for (const theme of ['dark', 'light']) {
  for (const [size, [width, height]] of Object.entries(SIZES)) {
    const { page, close } = await openPage(browser, { width, height, theme })
    for (const path of wanted) {
      const address = new URL(link)
      address.pathname = path
      await page.goto(address.href)
      await page.waitForTimeout(1_800)
      const name = path === '/' ? 'wallboard' : path.slice(1).replaceAll('/', '-')
      await page.screenshot({ path: `${folder}/${name}-${size}-${theme}.png` })
    }
    await close()
  }
}
await browser.close()
