/** Digits of a keypad: two requests that are under way at once may arrive in either order. */

/** Sends digits in the order in which they are pressed: those that come while others are under way go together, after them. */
export function newDigitQueue(send: (digits: string) => Promise<unknown>): (digits: string) => Promise<void> {
  let waiting = ''
  let isSending = false
  return async (digits) => {
    waiting = (waiting + digits).slice(0, WAITING_MAX)
    if (isSending) return
    isSending = true
    while (waiting !== '') {
      const next = waiting
      waiting = ''
      // What does not work is told by the desk; what was pressed after it was meant, too.
      await send(next).catch(() => undefined)
    }
    isSending = false
  }
}

/** The digit of a key that is pressed beside the field of a keypad, as at one of its buttons; empty where another key is pressed, or the field has it. */
export function digitBeside({ key, ctrlKey, metaKey, altKey, repeat }: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'repeat'>, isInField: boolean): string {
  return !isInField && !ctrlKey && !metaKey && !altKey && !repeat && /^[0-9*#]$/.test(key) ? key : ''
}

/** No menu asks for more at once. */
const WAITING_MAX = 64
