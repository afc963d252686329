// What the tasks do at the page of the desktop.

/** The panel of the chosen call, once it is in that phase. */
export const panel = (page, phase) => page.locator(`[data-panel="${phase}"]`)

/** A key, as soon as the press before it is told: the other half of a double press does not count. */
export async function press(page, key) {
  await page.locator('button[aria-disabled="true"]').first().waitFor({ state: 'detached' })
  await page.keyboard.press(key)
}

/** Tries to reach the server now, unless the page has reached it by itself meanwhile. */
export async function triesNow(page) {
  const now = page.getByRole('button', { name: 'Try now' })
  await Promise.race([now.click(), now.waitFor({ state: 'detached' })])
}

/** Answers the call that rings, or is about to, by its key. */
export async function answers(page) {
  await panel(page, 'Ringing').waitFor()
  await press(page, 'a')
  await panel(page, 'Established').waitFor()
}
