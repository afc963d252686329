import { readConfiguration } from '../../api/workspace'
import type { Desk } from './desk'
import { newEmbedding, originsOf, type Page } from './embedding'

/** So often it is read anew which pages are let in, where there are any. */
export const CONFIGURATION_MS = 300_000

/** Lets pages that have the desktop in a frame, or have opened it, ask and hear, while the tenant lets their origins in, until the answer is called. */
export function embed(desk: Pick<Desk, 'state' | 'ask' | 'onChange' | 'take'>, read = readConfiguration): () => void {
  const around = [window.parent, window.opener].filter((other): other is Window => isWindow(other) && other !== window)
  let hasPages = around.length > 0
  const embedding = newEmbedding(desk, Date.now, location.origin)
  const onMessage = ({ data, origin, source }: MessageEvent): void => {
    // Frames of this page and workers are not meant.
    if (source === null || !isWindow(source) || source === window) return
    hasPages = true
    void embedding.hear(data, origin, pageOf(source))
  }
  // One object for each window, by which it is known again.
  const pages = new WeakMap<Window, Page>()
  const pageOf = (window: Window): Page => {
    const page = pages.get(window) ?? { postMessage: (message, origin) => window.postMessage(message, origin) }
    pages.set(window, page)
    return page
  }
  addEventListener('message', onMessage)
  let announced = ''
  const onChange = (): void => {
    const origins = originsOf(desk.state().configuration).join()
    if (origins !== announced) for (const other of around) embedding.announce(pageOf(other), isOfOwnOrigin(other))
    announced = origins
    embedding.tell()
  }
  onChange()
  // A page that is kept for the way back, and shown again, is there again.
  const onPageHide = (): void => embedding.leave()
  const onPageShow = ({ persisted }: PageTransitionEvent): void => {
    if (!persisted) return
    announced = ''
    onChange()
  }
  addEventListener('pagehide', onPageHide)
  addEventListener('pageshow', onPageShow)
  const unread = desk.onChange(onChange)
  const timer = setInterval(() => {
    if (!hasPages || desk.state().connection.kind !== 'live') return
    void read().then((answer) => {
      // What is the same is not drawn anew.
      if (answer.kind === 'ok' && JSON.stringify(answer.value) !== JSON.stringify(desk.state().configuration)) desk.take({ kind: 'configured', configuration: answer.value })
    })
  }, CONFIGURATION_MS)
  return () => {
    embedding.leave()
    unread()
    clearInterval(timer)
    removeEventListener('pagehide', onPageHide)
    removeEventListener('pageshow', onPageShow)
    removeEventListener('message', onMessage)
  }
}

function isOfOwnOrigin(other: Window): boolean {
  try {
    return other.location.origin === location.origin
  } catch {
    // Where a window of another origin is, nobody is told.
    return false
  }
}

function isWindow(source: unknown): source is Window {
  // Of a window of another origin only some things can be asked, this among them.
  return typeof source === 'object' && source !== null && 'postMessage' in source && 'closed' in source
}
