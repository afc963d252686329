// What the tasks assert with: conditions with a deadline, never pauses.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export function assert(holds, words) {
  if (!holds) throw new Error(words)
}

export function assertEqual(found, wanted, words) {
  assert(JSON.stringify(found) === JSON.stringify(wanted), `${words}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`)
}

/** Waits until `condition` gives something true; the answer is that. */
export async function until(words, condition, withinMs = 60_000) {
  const end = Date.now() + withinMs
  for (;;) {
    const found = await condition()
    if (found) return found
    assert(Date.now() < end, `not within ${withinMs} ms: ${words}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** What the promise gives, or an error if that takes longer. */
export async function within(ms, words, promise) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${words}`)), ms)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** The number on the wallboard that stands under that name. */
export async function number(page, name) {
  const text = await page.locator(`[data-number="${name}"]`).first().textContent()
  return Number((text ?? '').replaceAll(',', '').replace('–', 'NaN').replace('%', ''))
}

/** Everything that axe finds on the page as it is now, in words. */
export async function axeFinds(page) {
  // Through the debugger, because the page's policy forbids foreign scripts, as it should.
  await page.evaluate(`${axeSource};0`)
  const results = await page.evaluate(async () => {
    // What sticks to an edge, as a toast, lies over what scrolls below it, wherever that happens to be: no target is too small for that.
    const isSticking = (element) => element instanceof HTMLElement && !element.matches('dialog') && ['sticky', 'fixed'].includes(getComputedStyle(element).position)
    const sticking = [...document.querySelectorAll('body *')].filter(isSticking)
    for (const element of sticking) Object.assign(element.style, { position: 'static', transform: 'none' })
    try {
      // The least size of targets (WCAG 2.2, 2.5.8) is the one rule of level AA that axe has off.
      return await window.axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } })
    } finally {
      for (const element of sticking) Object.assign(element.style, { position: '', transform: '' })
    }
  })
  return results.violations.map((violation) => `${violation.id}: ${violation.help} at ${violation.nodes.slice(0, 3).map((node) => `${node.target} (${node.failureSummary})`).join(' ; ')}`)
}

/** The button that opens the menu of who looks, in each language. */
export const menuOf = (page) => page.getByRole('button', { name: /^Men[uü]/ })

/** Chooses colours as a person does. */
export async function chooseTheme(page, theme) {
  await menuOf(page).click()
  await page.getByLabel(/^(Colours|Farben)$/).selectOption(theme)
  await until(`theme ${theme}`, () => page.evaluate((wanted) => document.documentElement.dataset.theme === wanted, theme))
  await page.keyboard.press('Escape')
}

/** Chooses a language as a person does; the page is loaded again. */
export async function chooseLanguage(page, language) {
  await menuOf(page).click()
  await page.getByLabel(/^(Language|Sprache)$/).selectOption(language)
  await until(`language ${language}`, () => page.evaluate((wanted) => document.documentElement.lang === wanted, language).catch(() => false))
}
