// Runs one task against an installation. Says on stdout how far it is; ends with 0 when everything held.
//
// usage: node e2e/run.mjs TASK LINK [PATH ...]     LINK with the token, as `trunkline demo` prints it

import { end, localhostOf, startBrowser } from './browser.mjs'
import * as tasks from './tasks.mjs'

const [name, link, ...paths] = process.argv.slice(2)
const task = tasks[name]
if (task === undefined || link === undefined) {
  console.error(`usage: node e2e/run.mjs ${Object.keys(tasks).join('|')} LINK [PATH ...]`)
  process.exit(2)
}
const browser = await startBrowser(localhostOf(link))
try {
  await task({ browser, link, paths: paths.length > 0 ? paths : ['/', '/topology', '/trace'], say: (words) => console.log(words) })
  console.log('done')
} catch (error) {
  console.error(error instanceof Error ? error.stack : error)
  process.exitCode = 1
} finally {
  await end(browser)
}
process.exit()
