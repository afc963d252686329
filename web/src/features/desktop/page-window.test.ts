import { afterEach, expect, test, vi } from 'vitest'
import { newPageWindow } from './page-window'

class FakePage {
  closed = false
  opener: unknown = 'the desktop'
  readonly shown: string[] = []
  readonly location = { replace: (url: string): void => this.show(url) }
  constructor(
    readonly site: FakeBrowser,
    readonly name: string,
  ) {
    Object.defineProperty(this.location, 'href', { set: (url: string) => this.show(url) })
  }
  private show(url: string): void {
    // Once a page of another site is there, who may lead it the browser says.
    if (this.shown.length > 0 && this.site.leads !== 'whoever has it') throw new Error('the frame is not its opener')
    this.shown.push(url)
  }
  open(_: string, name: string): void {
    const frame = this.site.frames.find((each) => each.name === name)
    if (frame !== undefined && this.site.leads === 'whom it has opened') frame.contentWindow.opener = this
  }
  focus(): void {}
}

/** A frame as it leads, by which windows of that browser. */
class FakeFrame {
  hidden = false
  name = ''
  readonly contentWindow: { opener: unknown; open: (url: string, name: string, features: string) => null }
  constructor(readonly site: FakeBrowser) {
    this.contentWindow = {
      opener: null,
      open: (url, name, features) => {
        const page = site.pages.find((each) => each.name === name)
        if (page !== undefined && page === this.contentWindow.opener && features === 'noopener') page.shown.push(url)
        return null
      },
    }
  }
  remove(): void {
    this.site.frames.splice(this.site.frames.indexOf(this), 1)
  }
}

class FakeBrowser {
  readonly pages: FakePage[] = []
  readonly frames: FakeFrame[] = []
  isBlocking = false
  constructor(readonly leads: 'whom it has opened' | 'whoever has it' | 'nobody') {
    vi.stubGlobal('window', { open: (_: string, name: string) => this.opened(name) })
    vi.stubGlobal('document', { createElement: () => new FakeFrame(this), body: { append: (frame: FakeFrame) => this.frames.push(frame) } })
  }
  private opened(name: string): FakePage | null {
    if (this.isBlocking) return null
    const page = new FakePage(this, name)
    this.pages.push(page)
    return page
  }
  readonly shown = (): readonly (readonly string[])[] => this.pages.map((page) => page.shown)
}

afterEach(() => vi.unstubAllGlobals())

test.each(['whom it has opened', 'whoever has it'] as const)('one window shows all pages, and none has an opener, where it is led by %s', (leads) => {
  const browser = new FakeBrowser(leads)
  const show = newPageWindow()
  expect([show('https://crm.example/1'), show('https://crm.example/2'), show('https://crm.example/3')]).toEqual([true, true, true])
  expect(browser.shown()).toEqual([['https://crm.example/1', 'https://crm.example/2', 'https://crm.example/3']])
  expect(browser.pages[0]?.opener).toBeNull()
})

test('a window that was closed, or that nobody may lead, is followed by another one, and leaves no frame behind', () => {
  const browser = new FakeBrowser('whom it has opened')
  const show = newPageWindow()
  show('https://crm.example/1')
  for (const page of browser.pages) page.closed = true
  show('https://crm.example/2')
  expect([browser.shown(), browser.frames.length]).toEqual([[['https://crm.example/1'], ['https://crm.example/2']], 1])
  const strict = new FakeBrowser('nobody')
  const anew = newPageWindow()
  expect([anew('https://crm.example/1'), anew('https://crm.example/2')]).toEqual([true, true])
  expect([strict.shown(), strict.frames.length, strict.pages.map(({ opener }) => opener)]).toEqual([[['https://crm.example/1'], ['https://crm.example/2']], 0, [null, null]])
})

test('it is said where the browser lets no window open, and tried again', () => {
  const browser = new FakeBrowser('whom it has opened')
  const show = newPageWindow()
  browser.isBlocking = true
  expect(show('https://crm.example/1')).toBe(false)
  browser.isBlocking = false
  expect(show('https://crm.example/1')).toBe(true)
})
