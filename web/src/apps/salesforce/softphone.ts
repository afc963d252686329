/** The softphone of a Salesforce org: the desktop in a frame, or in a window, and Open CTI around it. docs/salesforce.md says how it is set up. */

import { newClaim } from './claims'
import { deskMessage, DIAL, PROTOCOL } from './desk-messages'
import { libraryOf, orgAround } from './org'
import { newTranslation, translated, type Action, type Happened, type OrgMethod, type Translation } from './translation'
import { wordsIn, type Said } from './words'

/** The library of the org, as far as it is used here. */
type OpenCti = Readonly<Record<OrgMethod | 'onClickToDial' | 'onNavigationChange' | 'setSoftphonePanelHeight', (given: object) => void>> & {
  readonly CALL_TYPE?: Readonly<Record<string, string>>
  readonly SCREENPOP_TYPE?: Readonly<Record<string, string>>
}

declare global {
  interface Window {
    readonly sforce?: { readonly opencti?: OpenCti }
  }
}

const DESKTOP = '/desktop'
/** What is done once for a call, by whichever page has it. */
const ONCE: readonly OrgMethod[] = ['searchAndScreenPop', 'screenPop', 'saveLog']
/** One window, however often it is opened. */
const WINDOW = 'trunkline-desktop'
/** How high the softphone is while the desktop has a window of its own, in pixels. */
const LINE_PX = 160
/** A window says to nobody that it was closed: so often it is looked at. */
const LOOK_MS = 1_000
/** Longer than the desktop waits for the server. */
const ANSWERED_MS = 18_000

const words = wordsIn(navigator.language)
const told = document.getElementById('told')
const opens = document.getElementById('opens')
const metaOf = (name: string): string => document.querySelector(`meta[name="${name}"]`)?.getAttribute('content') ?? ''

function tell(says: Said | ''): void {
  if (told !== null) told.textContent = says === '' ? '' : words[says]
}

const orgs = metaOf('salesforce-orgs').split(' ').filter((one) => one !== '')
// Firefox does not tell who is around, and TypeScript takes it for granted.
const ancestors: DOMStringList | undefined = location.ancestorOrigins
const org = orgAround(orgs, { isFramed: window.parent !== window, ancestor: ancestors?.[0], referrer: document.referrer })
if (org === undefined) tell('unframed')
else void begin(org)

async function begin(around: string): Promise<void> {
  await loaded(libraryOf(around, metaOf('open-cti-version')))
  const cti = window.sforce?.opencti
  if (cti === undefined) return tell('no-library')
  softphone(around, cti)
}

function loaded(source: string): Promise<void> {
  return new Promise((resolve) => {
    const script = document.createElement('script')
    script.src = source
    script.onload = (): void => resolve()
    // What is missing then is seen by who looks for the library.
    script.onerror = (): void => resolve()
    document.head.append(script)
  })
}

function softphone(around: string, cti: OpenCti): void {
  let now: Translation = newTranslation(around, words)
  let unanswered: ReturnType<typeof setTimeout> | undefined
  const desk = deskIn(cti, () => take({ kind: 'closed' }))
  const take = (happened: Happened): void => {
    const [next, actions] = translated(now, happened)
    if (next.phase !== now.phase) {
      tell(next.phase === 'at-work' ? '' : next.phase)
      if (opens !== null) opens.hidden = next.phase === 'at-work'
    }
    now = next
    actions.forEach(perform)
  }
  // Not there without HTTPS, and TypeScript takes them for granted.
  const locks: LockManager | undefined = navigator.locks
  const claim = newClaim(locks, () => document.hidden)
  const listen = once(() => {
    cti.onClickToDial({ listener: (payload: unknown) => take({ kind: 'clicked', payload }) })
  })
  const perform = (action: Action): void => {
    if (action.to === 'agent') return tell(action.says)
    if (action.to === 'desk' && action.id === DIAL) {
      clearTimeout(unanswered)
      unanswered = setTimeout(() => take({ kind: 'unanswered' }), ANSWERED_MS)
    }
    if (action.to === 'desk') return desk.post({ protocol: PROTOCOL, id: action.id, method: action.method, params: action.params })
    const { method, params, call } = action
    const callback = (answer: unknown): void => {
      // Numbers are listened to from when they can be pressed.
      if (method === 'enableClickToDial') listen()
      if (method === 'searchAndScreenPop') take({ kind: 'found', call, answer })
      if (method === 'saveLog') take({ kind: 'saved', call, answer })
    }
    const does = (): void => cti[method]({ ...inWordsOf(cti, params), callback })
    if (!ONCE.includes(method)) return does()
    void claim(now.calls.get(call)?.first ?? call).then((isOurs) => {
      if (isOurs) return does()
      // The page that has the call logs it.
      if (method === 'saveLog') take({ kind: 'saved', call, answer: { success: true } })
    })
  }
  addEventListener('message', ({ data, origin, source }) => {
    const message = origin === location.origin && source !== null && source === desk.window() ? deskMessage(data) : undefined
    if (message?.kind === 'dialled') clearTimeout(unanswered)
    if (message !== undefined) take({ kind: 'desk', message, at: Date.now() })
  })
  cti.onNavigationChange({ listener: (payload: unknown) => take({ kind: 'looked', payload }) })
  tell('waiting')
}

/** Names of constants are those of the library; one that has none takes them in small letters. */
function inWordsOf(cti: OpenCti, params: Readonly<Record<string, unknown>>): object {
  const { callType, type } = params
  return {
    ...params,
    ...(typeof callType === 'string' ? { callType: cti.CALL_TYPE?.[callType] ?? callType.toLowerCase() } : {}),
    ...(typeof type === 'string' ? { type: cti.SCREENPOP_TYPE?.[type] ?? type.toLowerCase() } : {}),
  }
}

type DeskWindow = { readonly window: () => Window | null; readonly post: (message: object) => void }

/** The desktop: in a frame here, and in a window from when the agent opens one until it is closed. */
function deskIn(cti: OpenCti, onClosed: () => void): DeskWindow {
  const frame = document.createElement('iframe')
  frame.title = words.desktop
  frame.allow = 'microphone; autoplay'
  frame.src = DESKTOP
  const show = (): void => {
    document.querySelector('main')?.append(frame)
    cti.setSoftphonePanelHeight({ heightPX: Number(metaOf('softphone-height')) })
  }
  show()
  let opened: Window | null = null
  setInterval(() => {
    if (opened?.closed !== true) return
    opened = null
    show()
    onClosed()
  }, LOOK_MS)
  if (opens !== null) {
    opens.textContent = words.open
    opens.hidden = false
    opens.onclick = (): void => {
      const window = open(DESKTOP, WINDOW)
      if (window === null) return tell('blocked')
      opened = window
      // Two desktops of one agent would both be heard.
      frame.remove()
      cti.setSoftphonePanelHeight({ heightPX: LINE_PX })
    }
  }
  const window = (): Window | null => opened ?? frame.contentWindow
  return { window, post: (message) => window()?.postMessage(message, location.origin) }
}

function once(act: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) act()
    isDone = true
  }
}
