// Fails when what a browser loads first for one of the applications (the page, its scripts and styles, those of the application, without what its
// pages load later) is too large, or the softphone of Salesforce is. Takes the manifest of the build away: it is for this alone.

import { readFileSync, rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const ENTRY = 'index.html'
/** What is loaded at the first page of each, and how many bytes that may be. */
const APPLICATIONS = {
  dashboards: { budget: 150_000, parts: ['src/apps/dashboards/Dashboards.tsx', 'src/apps/dashboards/pages.tsx'] },
  'agent-setup': { budget: 150_000, parts: ['src/apps/agent-setup/pages.tsx', 'src/locales/generated/agent-setup/en.js'] },
  // An agent opens it once a day.
  desktop: { budget: 160_000, parts: ['src/apps/desktop/pages.tsx', 'src/locales/generated/desktop/en.js'] },
}
/** The page in the frame of a Salesforce org: one file alone, for whoever serves it has no others. */
const SOFTPHONE = { entry: 'src/apps/salesforce/softphone.ts', budget: 6_000 }

const folder = process.argv[2] ?? 'dist'
const manifest = JSON.parse(readFileSync(`${folder}/.vite/manifest.json`, 'utf8'))
rmSync(`${folder}/.vite`, { recursive: true })

/** The files of a chunk and of all that it imports at once. */
function filesOf(name, found = new Set()) {
  const chunk = manifest[name]
  if (chunk === undefined) throw new Error(`the build has no ${name}`)
  if (found.has(chunk.file)) return found
  found.add(chunk.file)
  for (const style of chunk.css ?? []) found.add(style)
  for (const imported of chunk.imports ?? []) filesOf(imported, found)
  return found
}

let isTooLarge = false
for (const [application, { budget, parts }] of Object.entries(APPLICATIONS)) {
  const files = new Set([ENTRY, ...[ENTRY, ...parts].flatMap((name) => [...filesOf(name)])])
  const bytes = [...files].reduce((sum, file) => sum + gzipSync(readFileSync(`${folder}/${file}`)).length, 0)
  const words = `first load of ${application} ${Math.round(bytes / 1_000)} kB gzip of ${budget / 1_000} kB`
  console.log(bytes > budget ? `${words}: too large` : words)
  isTooLarge ||= bytes > budget
}
const softphone = [...filesOf(SOFTPHONE.entry)]
if (softphone.length !== 1) throw new Error(`the softphone is not one file: ${softphone.join(', ')}`)
const softphoneBytes = gzipSync(readFileSync(`${folder}/${softphone[0]}`)).length
console.log(`the softphone of Salesforce ${(softphoneBytes / 1_000).toFixed(1)} kB gzip of ${SOFTPHONE.budget / 1_000} kB`)
isTooLarge ||= softphoneBytes > SOFTPHONE.budget
process.exit(isTooLarge ? 1 : 0)
