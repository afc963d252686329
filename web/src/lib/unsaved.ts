/** What would be lost with the page or a sign-out: told by what has it, asked by whoever ends the page. */

/** `typed`: in a form of a page, which asks by itself before it is left. `notes`: about calls, not saved yet. `call`: at the phone of who works here. `phone`: a call that is heard
 *  through this page. */
export type Held = 'typed' | 'notes' | 'call' | 'phone'

/** Where notes are kept, for as long as the tab is open. */
export const NOTES_KEPT = 'trunkline.notes'

const held = new Set<Held>()

const ask = (event: BeforeUnloadEvent): void => event.preventDefault()

export function tellHeld(what: Held, is: boolean): void {
  if (is) held.add(what)
  else held.delete(what)
  if (typeof removeEventListener === 'undefined') return
  // A page that has such a listener is not kept by browsers for a way back: it is there as long as it is needed.
  removeEventListener('beforeunload', ask)
  if (held.has('notes') || held.has('phone')) addEventListener('beforeunload', ask)
}

export function tellUnsaved(is: boolean): void {
  tellHeld('typed', is)
}

export function isUnsaved(): boolean {
  return held.has('typed') || held.has('notes')
}

export function isOnCall(): boolean {
  return held.has('call') || held.has('phone')
}

/** Whoever signs out has said that it may go. */
export function letGo(keep: Pick<Storage, 'removeItem'>): void {
  for (const what of [...held]) tellHeld(what, false)
  keep.removeItem(NOTES_KEPT)
}
