import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { configurationIn } from '../../api/workspace-shapes'
import { after, type DeskInput } from './desk-state'
import { CONFIGURATION_MS, embed } from './embedded'
import { PROTOCOL } from './embedding'
import { CONFIGURATION, READY } from './messages-for-tests'

const CRM = 'https://crm.example'
const configuration = (origins: string): ReturnType<typeof configurationIn> => configurationIn({ ...CONFIGURATION, settings: [{ key: 'x', value: [{ key: 'service-client-api.accepted-web-content-origin', value: origins }] }] })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** The desktop in a frame of the CRM, or alone in its window, and how often it has read what the tenant lets in. */
function desktop(isFramed: boolean): { readonly heard: string[]; readonly pass: (origins: string) => Promise<void>; readonly ask: () => void; readonly page: (event: string, more?: object) => void; reads: number; end: () => void } {
  const heard: string[] = []
  const crm = { closed: false, postMessage: (message: { readonly event?: string; readonly id?: number }, origin: string) => void heard.push(`${message.event ?? 'answer'} ${origin}`) }
  const listeners = new Map<string, (event: object) => void>()
  vi.stubGlobal('window', { parent: isFramed ? crm : undefined, opener: null })
  vi.stubGlobal('location', { origin: 'https://centre.example' })
  vi.stubGlobal('addEventListener', (name: string, listener: (event: object) => void) => listeners.set(name, listener))
  vi.stubGlobal('removeEventListener', (name: string) => listeners.delete(name))
  let state = { ...READY, configuration: configuration(CRM) }
  let origins = CRM
  let onChange = (): void => undefined
  const take = (input: DeskInput): void => {
    state = after(state, input) as typeof state
    onChange()
  }
  const made = {
    heard,
    reads: 0,
    ask: () => listeners.get('message')?.({ data: { protocol: PROTOCOL, id: 1, method: 'state' }, origin: CRM, source: crm }),
    page: (event: string, more = {}) => listeners.get(event)?.(more),
    pass: async (next: string) => {
      origins = next
      await vi.advanceTimersByTimeAsync(CONFIGURATION_MS)
      heard.length = 0
    },
    end: () => undefined,
  }
  made.end = embed({ state: () => state, ask: () => Promise.resolve(true), onChange: (read) => ((onChange = read), () => undefined), take }, () => {
    made.reads += 1
    return Promise.resolve({ kind: 'ok', value: configuration(origins) })
  }) as () => undefined
  return made
}

test('a page that the tenant lets in no more is not answered, without a new session', async () => {
  const one = desktop(true)
  expect(one.heard).toEqual([`here ${CRM}`])
  one.heard.length = 0
  one.ask()
  await vi.advanceTimersByTimeAsync(0)
  expect(one.heard).toEqual([`answer ${CRM}`])
  await one.pass('https://other.example')
  one.ask()
  await vi.advanceTimersByTimeAsync(0)
  expect(one.heard).toEqual([])
  one.end()
  await one.pass(CRM)
  expect(one.reads).toBe(1)
})
test('a desktop without such pages asks for nothing, until one asks it', async () => {
  const one = desktop(false)
  await one.pass(CRM)
  expect(one.reads).toBe(0)
  one.ask()
  await one.pass(CRM)
  expect(one.reads).toBe(1)
})
test('a page around is told when the desktop goes: to another page, at the sign-out, and when it is shown again', async () => {
  const one = desktop(true)
  one.ask()
  await vi.advanceTimersByTimeAsync(0)
  one.heard.length = 0
  one.page('pagehide')
  expect(one.heard).toEqual([`agent ${CRM}`])
  one.page('pageshow', { persisted: true })
  expect(one.heard.slice(1)).toEqual([`here ${CRM}`, `agent ${CRM}`])
  one.heard.length = 0
  one.end()
  expect(one.heard).toEqual([`agent ${CRM}`])
})
