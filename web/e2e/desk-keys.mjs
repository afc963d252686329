// Keys of the desktop.

/** A key, as soon as the press before it is told: the other half of a double press does not count. */
export async function press(page, key) {
  await page.locator('button[aria-disabled="true"]').first().waitFor({ state: 'detached' })
  await page.keyboard.press(key)
}
