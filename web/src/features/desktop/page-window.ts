/** A window for pages of other sites, which gets no hand on the desktop: no page in it has an opener. */

type Shown = {
  readonly page: Window
  /** By which it is found; no other window has it, so that another tab's is never meant. */
  readonly name: string
  /** What may lead it; undefined where whoever has a window may. */
  readonly leader: HTMLIFrameElement | undefined
}

/** Shows an address in that window, whichever page is there, and in a new one once it is closed. Returns false where the browser lets none open. */
export function newPageWindow(): (url: string) => boolean {
  let shown: Shown | undefined
  return (url) => {
    if (shown !== undefined && !shown.page.closed && isLed(shown, url)) return true
    shown?.leader?.remove()
    shown = opened(url)
    return shown !== undefined
  }
}

function opened(url: string): Shown | undefined {
  const name = secret()
  // Empty it is a page of ours still, in which this can be arranged.
  const page = window.open('', name)
  if (page === null) return undefined
  const leader = leaderOf(page)
  page.opener = null
  page.location.replace(url)
  return { page, name, leader }
}

/**
 * Browsers let nobody lead a window of another site but those who opened it, and those whom it has opened. So an empty frame of the desktop
 * becomes one that it has opened (HTML, the window open steps: that of a frame which is there already changes). The pages that come do not
 * have that frame, and do not find it by its name.
 */
function leaderOf(page: Window): HTMLIFrameElement | undefined {
  const frame = document.createElement('iframe')
  frame.hidden = true
  frame.name = secret()
  document.body.append(frame)
  page.open('', frame.name)
  if (frame.contentWindow?.opener === page) return frame
  frame.remove()
  return undefined
}

function isLed({ page, name, leader }: Shown, url: string): boolean {
  if (leader?.contentWindow) {
    // It brings the window to the front, too. Without `noopener` the frame would be its opener from now on.
    leader.contentWindow.open(url, name, 'noopener')
    return true
  }
  try {
    page.location.href = url
    page.focus()
    return true
  } catch {
    return false
  }
}

function secret(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-')
}
