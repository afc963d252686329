/** What a page notes about itself from its first moment on. Whoever tells the installation of it comes later: until then a few notes wait. */

export type Noted =
  /** An error that nobody caught. */
  | { readonly kind: 'fault'; readonly name: 'error_script' | 'error_promise'; readonly error: unknown }
  /** A page is shown, in the place of the one before if there was one; `page` is the pattern of its address. */
  | { readonly kind: 'opened'; readonly page: string }
  /** What is followed is heard no more, until it comes back by itself. */
  | { readonly kind: 'lost'; readonly where: 'stream' | 'notifications' }

/** More are not of interest: a page that fails in a loop says the same again and again. */
const WAITING_MAX = 20

const waiting: Noted[] = []
let reader: ((noted: Noted) => void) | undefined

export function note(noted: Noted): void {
  if (reader !== undefined) reader(noted)
  else if (waiting.length < WAITING_MAX) waiting.push(noted)
}

/** Reads what waits, and then each note as it comes. */
export function readNotes(read: (noted: Noted) => void): void {
  reader = read
  for (const noted of waiting.splice(0)) read(noted)
}

/** Notes errors nobody catches. */
export function noteFaults(): void {
  addEventListener('error', (event) => note({ kind: 'fault', name: 'error_script', error: event.error ?? event.message }))
  addEventListener('unhandledrejection', (event) => note({ kind: 'fault', name: 'error_promise', error: event.reason }))
}
