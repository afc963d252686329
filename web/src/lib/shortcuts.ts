/** Keys that do something, with a list of them for people. A letter alone counts only where nothing is typed, and can be switched off. */

export type Shortcut = {
  /** `?`, `g p` (one after the other) or `Ctrl+Enter`. */
  readonly keys: string
  /** What it does, in words. */
  readonly says: string
  readonly run: () => void
  /** The window above the page to which it belongs; none for the page itself. */
  readonly window?: string | undefined
}

/** What of a key press is needed. */
export type Press = { readonly key: string; readonly shiftKey?: boolean; readonly ctrlKey: boolean; readonly metaKey: boolean; readonly altKey: boolean }

const KEPT = 'trunkline.keys'
/** The second key of two has to come within this time. */
const SECOND_WITHIN_MS = 1_500

/** Who types rests no longer than that between two letters. */
const TYPED_WITHIN_MS = 1_000

/** A second press within this time is the other half of a double one. */
export const LOOK_MS = 500

const all = new Set<Shortcut>()

/** Adds it until the answer is called. */
export function addShortcut(shortcut: Shortcut): () => void {
  all.add(shortcut)
  return () => all.delete(shortcut)
}

const windows: string[] = []

/** A window above the page is open until the answer is called: as long, keys are for it, or for one that opens above it. */
export function addWindow(name: string): () => void {
  windows.push(name)
  return () => void windows.splice(windows.lastIndexOf(name), 1)
}

/** Those of what is on top: what lies beneath a window is not meant by who presses a key. */
export function onTop(known: readonly Shortcut[], open: readonly string[]): readonly Shortcut[] {
  return known.filter(({ window }) => window === open.at(-1))
}

export function shortcuts(): readonly Shortcut[] {
  return [...all]
}

/** Whether letters alone count. */
export function lettersCount(keep: Pick<Storage, 'getItem'>): boolean {
  return keep.getItem(KEPT) !== 'off'
}

export function keepLetters(count: boolean, keep: Pick<Storage, 'setItem'>): void {
  keep.setItem(KEPT, count ? 'on' : 'off')
}

/** The name of a press, as shortcuts write it: small letters, whether capitals are locked or not; with Shift a letter is another one. */
export function nameOf({ key, shiftKey = false, ctrlKey, metaKey, altKey }: Press): string {
  const letter = key.length > 1 ? key : shiftKey ? key.toUpperCase() : key.toLowerCase()
  const held = ctrlKey || metaKey ? 'Ctrl+' : ''
  return `${held}${altKey ? 'Alt+' : ''}${letter}`
}

/** What a press begins or does: the shortcut, what stands after it, and what waits for a second key. `begun` are those that were there at the first of two: a second press
 *  means one of them, and not the same keys of something that has taken its place since. */
export function pressed(known: readonly Shortcut[], waiting: string, name: string, begun: readonly Shortcut[] = known): { readonly does: Shortcut | undefined; readonly waiting: string } {
  const whole = waiting === '' ? name : `${waiting} ${name}`
  // The one that came last: that of the page rather than that of the frame.
  const latest = [...known].reverse()
  const does = latest.find(({ keys }) => keys === whole)
  if (does !== undefined && (waiting === '' || begun.includes(does))) return { does, waiting: '' }
  const alone = latest.find(({ keys }) => keys === name)
  if (alone !== undefined) return { does: alone, waiting: '' }
  return { does: undefined, waiting: known.some(({ keys }) => keys.startsWith(`${name} `)) ? name : '' }
}

/** Where letters were typed last, and when. */
export type Typed = { readonly into: Pick<Element, 'isConnected'>; readonly at: number }

/** Whether a press goes on with what is being typed: its field is gone under the hands of who types, and the letters would be commands. Each press of that kind is typed, too. */
export function isStillTyped(typed: Typed | undefined, now: number): boolean {
  return typed !== undefined && !typed.into.isConnected && now - typed.at < TYPED_WITHIN_MS
}

/** Whether a press is about what is shown since `shownAt`, and not still about what was shown before. */
export function isAbout(shownAt: number, now: number): boolean {
  return now - shownAt >= LOOK_MS
}

/** Whether a press is one of its own: a key that is held repeats, which nobody means. */
export function isMeant({ defaultPrevented, isComposing, repeat }: Pick<KeyboardEvent, 'defaultPrevented' | 'isComposing' | 'repeat'>): boolean {
  return !defaultPrevented && !isComposing && !repeat
}

/** Listens to the keys of the document. */
export function listenToKeys(): () => void {
  let [waiting, at] = ['', 0]
  let begun: readonly Shortcut[] = []
  let typed: Typed | undefined
  const onKey = (event: KeyboardEvent): void => {
    const name = nameOf(event)
    const needsRoom = !name.startsWith('Ctrl+')
    if (isStillTyped(typed, Date.now())) typed = typed === undefined || name.length > 1 ? undefined : { ...typed, at: Date.now() }
    // Enter and Escape end what is typed.
    else typed = name.length === 1 && event.target instanceof HTMLElement && isTyping(event.target) ? { into: event.target, at: Date.now() } : undefined
    if (!isMeant(event)) return
    if (needsRoom && (!lettersCount(localStorage) || isStillTyped(typed, Date.now()) || isTyping(event.target) || document.querySelector('dialog[open]') !== null)) return
    const known = onTop(shortcuts(), windows)
    const found = pressed(known, Date.now() - at < SECOND_WITHIN_MS ? waiting : '', name, begun)
    ;[waiting, at, begun] = [found.waiting, Date.now(), known]
    if (found.does === undefined) return
    event.preventDefault()
    found.does.run()
  }
  addEventListener('keydown', onKey)
  return () => removeEventListener('keydown', onKey)
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && takesLetters(target)
}

/** Whether letters are for an element itself: what is ticked, pressed or picked takes none. */
export function takesLetters({ isContentEditable, tagName, type = '' }: Pick<HTMLElement, 'isContentEditable' | 'tagName'> & { readonly type?: string }): boolean {
  return isContentEditable || ['TEXTAREA', 'SELECT'].includes(tagName) || (tagName === 'INPUT' && !/^(checkbox|radio|button|submit|reset|file)$/.test(type))
}
