/** Whether something is typed that is not saved: told by the page that has it, asked by whoever ends the page. */

let isTyped = false

export function tellUnsaved(is: boolean): void {
  isTyped = is
}

export function isUnsaved(): boolean {
  return isTyped
}
