/** The rules of the folders, checked where a linter would: who may import whom, how long a file may be, no `any`. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../src', import.meta.url))
const LINES_MAX = 250

/** apps → features → live, api, ui → lib → locales. Styles and tests go with their own folder. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  apps: ['apps', 'features', 'live', 'api', 'ui', 'lib'],
  features: ['features', 'live', 'api', 'ui', 'lib'],
  live: ['live', 'api', 'lib'],
  api: ['api', 'lib'],
  ui: ['ui', 'lib'],
  lib: ['lib', 'locales'],
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? filesIn(path) : [path]
  })
}

// What is generated from the documents of the APIs keeps its own style.
const files = filesIn(ROOT).filter((path) => !path.includes(`${sep}generated${sep}`))
const sources = files.filter((path) => /\.tsx?$/.test(path))

function importsOf(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?'(\.[^']+)'/g)].map((match) => relative(ROOT, join(path, '..', match[1] ?? '')))
}

describe('the folders of src', () => {
  test('imports lead only downwards', () => {
    const wrong = sources.flatMap((path) => {
      const [area = ''] = relative(ROOT, path).split(sep)
      return importsOf(path).filter((target) => !MAY_USE[area]?.includes(target.split(sep)[0] ?? '')).map((target) => `${relative(ROOT, path)} uses ${target}`)
    })
    expect(wrong).toEqual([])
  })

  test('features do not know each other', () => {
    const wrong = sources.flatMap((path) => {
      const [area, feature] = relative(ROOT, path).split(sep)
      if (area !== 'features') return []
      return importsOf(path).filter((target) => target.startsWith(`features${sep}`) && target.split(sep)[1] !== feature)
    })
    expect(wrong).toEqual([])
  })

  test('no file is longer than it can be read', () => {
    // A catalogue of texts is a list, not code.
    const long = files.filter((path) => !path.endsWith('.json') && readFileSync(path, 'utf8').split('\n').length > LINES_MAX)
    expect(long).toEqual([])
  })

  test('nothing is any', () => {
    const wrong = sources.filter((path) => /(:|<|as)\s*any\b|@ts-(ignore|expect-error)/.test(readFileSync(path, 'utf8')))
    expect(wrong).toEqual([])
  })

  test('colours are named in the tokens alone', () => {
    const styles = files.filter((path) => path.endsWith('.css') && !path.endsWith('tokens.css'))
    const wrong = styles.filter((path) => /#[0-9a-f]{3,8}\b|rgba?\(/i.test(readFileSync(path, 'utf8')))
    expect(wrong).toEqual([])
  })
})
