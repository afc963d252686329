// Fails when what a browser loads first (the page, its scripts and styles, without what pages load later) is too large.

import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const BUDGET_BYTES = 150_000

const folder = process.argv[2] ?? 'dist'
const page = readFileSync(`${folder}/index.html`, 'utf8')
const named = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => `${folder}${match[1]}`)
const bytes = [`${folder}/index.html`, ...named].reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0)
const words = `first load ${Math.round(bytes / 1_000)} kB gzip of ${BUDGET_BYTES / 1_000} kB`
if (bytes > BUDGET_BYTES) {
  console.error(`${words}: too large`)
  process.exit(1)
}
console.log(words)
