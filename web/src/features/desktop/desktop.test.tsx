import { describe, expect, test } from 'vitest'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { renderToStaticMarkup } from 'react-dom/server'
import { failureIn } from '../../api/workspace'
import { callIn, configurationIn, dnIn, type Call } from '../../api/workspace-shapes'
import { addTexts } from '../../lib/i18n'
import { actionsOf } from './call-actions'
import { dispositionOf, fieldsOf, notesOf, technicalOf } from './call-data'
import { NEW_DESK, type DeskState } from './desk-state'
import { dialled } from './destination'
import { AT, call, callChanged, complete, CONFIGURATION, deskAfter, dn, dnChanged, failed, READY } from './messages-for-tests'
import { PlaceForm } from './PlaceForm'
import type { Desk } from './desk'
import { Troubles } from './Troubles'
import { Work } from './Work'
import { moreSeconds } from './wrap-up'

await Promise.all([addTexts('desktop'), addTexts('desktop-work')])

const read = (id: string, state: string, more: object = {}): Call => {
  const found = callIn(call(id, state, more), AT)
  if (found === undefined) throw new Error('no call')
  return found
}
const shown = (of: Call, calls: readonly Call[] = [of]): readonly string[] => actionsOf(of, calls).map((action) => `${'operation' in action ? action.operation : action.kind} ${action.keys}`)
const nothing: Desk = { state: () => NEW_DESK, onChange: () => () => undefined, start: () => () => undefined, retry: () => undefined, ask: () => Promise.resolve(true), noted: () => '', leave: () => Promise.resolve(), take: () => undefined }
const drawn = (state: DeskState): string =>
  renderToStaticMarkup(
    <QueryClientProvider client={new QueryClient()}>
      <Work desk={nothing} state={state} />
    </QueryClientProvider>,
  )

describe('what can be done', () => {
  test('follows what the server offers, with one key each', () => {
    expect(shown(read('1', 'Ringing'))).toEqual(['answer a', 'redirect t'])
    expect(shown(read('1', 'Established'))).toEqual(['hold h', 'keypad k', 'initiate-transfer c', 'single-step-transfer t', 'release x x'])
    expect(shown(read('1', 'Released'))).toEqual(['complete e'])
  })
  test('a consultation names the call that it is about', () => {
    const parent = read('1', 'Held', { capabilities: ['release', 'alternate', 'merge'] })
    const consult = read('2', 'Established', { callType: 'Consult', parentConnId: '1', capabilities: ['release', 'hold', 'alternate', 'reconnect', 'merge', 'complete-conference', 'complete-transfer'] })
    expect(shown(consult, [parent, consult])).toEqual(['hold h', 'complete-transfer t', 'complete-conference j', 'alternate s', 'reconnect b', 'release x x'])
    const data = Object.fromEntries(actionsOf(consult, [parent, consult]).flatMap((action) => (action.kind === 'do' ? [[action.operation, action.data]] : [])))
    expect(data).toMatchObject({ 'complete-transfer': { parentConnId: '1' }, alternate: { heldConnId: '1' }, reconnect: { heldConnId: '1' } })
    expect(shown(parent, [parent, consult])).toEqual(['alternate s', 'merge j', 'release x x'])
  })
  test('who is in a conference can be removed, but nobody who only listens, and not the one other', () => {
    const conference = (...participants: readonly (readonly [string, string])[]): readonly string[] => {
      const of = read('1', 'Established', { capabilities: ['release', 'delete-from-conference'], participants: participants.map(([number, role]) => ({ number, role })) })
      return actionsOf(of, [of]).flatMap((action) => (action.kind === 'drop' ? action.numbers : []))
    }
    expect(conference(['+4930', 'RoleOrigination'], ['7102', 'RoleNewParty'], ['7109', 'RoleObserver'])).toEqual(['+4930', '7102'])
    expect(conference(['+4930', 'RoleOrigination'], ['7109', 'RoleObserver'])).toEqual([])
  })
  test('what is recorded says so, and is paused and gone on with by one key; to begin or end a recording is not the agent’s', () => {
    const recorded = (state: string, ...capabilities: readonly string[]) => ({ recordingState: state, capabilities: ['release', 'stop-recording', ...capabilities] })
    const html = (more: object): string => drawn(deskAfter(READY, callChanged('1', 'Established', more, 'CallRecordingStateChange')))
    expect(shown(read('1', 'Established', recorded('Recording', 'pause-recording')))).toEqual(['pause-recording i', 'release x x'])
    expect(html(recorded('Recording', 'pause-recording'))).toContain('This call is recorded.')
    expect(shown(read('1', 'Established', recorded('Paused', 'resume-recording')))).toEqual(['resume-recording i', 'release x x'])
    const paused = html(recorded('Paused', 'resume-recording'))
    for (const words of ['The recording is paused: what is said now is not kept.', 'Go on recording']) expect(paused).toContain(words)
    expect(html({})).not.toContain('data-recording')
  })
  test('a number is dialled without what people write into it', () => {
    expect([dialled(' +49 (30) 1234-5 '), dialled('*72')]).toEqual(['+493012345', '*72'])
  })
})

describe('the data of a call', () => {
  const configuration = configurationIn(CONFIGURATION)
  const pair = (key: string, value: string): object => ({ key, type: 'str', value })
  const of = read('1', 'Established', { userData: [pair('Language', 'fr'), pair('Order', '7'), pair('Notes', 'calls back'), pair('DispositionCode', 'sold'), pair('RVQName', 'sales'), pair('Tag', 'a'), pair('Tag', 'b'), { key: 'Basket', type: 'kvlist', value: [pair('item', 'x')] }] })
  test('has fields with the values of business attributes; notes, result and what programs set stand apart', () => {
    expect(fieldsOf(of, configuration).map(({ key, title, value, isFixed, choices }) => [key, title, value, isFixed, choices.length])).toEqual([
      ['Language', 'Language spoken', 'fr', false, 2],
      ['Order', 'Order', '7', false, 0],
      ['Tag', 'Tag', 'a, b', true, 0],
      ['Basket', 'Basket', 'item x', true, 0],
    ])
    expect([notesOf(of), dispositionOf(of, configuration)?.value, technicalOf(of).map(({ key }) => key)]).toEqual(['calls back', 'sold', ['RVQName']])
  })
  test('the published options say where the result stands', () => {
    const settings = [{ key: 'interaction-workspace', type: 'kvlist', value: [pair('interaction.disposition.key-name', 'Outcome'), pair('interaction.disposition.value-business-attribute', 'Language')] }]
    const other = configurationIn({ ...CONFIGURATION, settings })
    expect(dispositionOf(of, other)).toMatchObject({ key: 'Outcome', value: '', choices: [{ name: 'de' }, { name: 'fr' }] })
    expect(dispositionOf(of, undefined)).toBeUndefined()
  })
})

describe('the end of after-call work', () => {
  test('is by the browser’s clock, and a minute more counts from now', () => {
    expect(dnIn(dn('NotReady', { timestamp: AT - 10_000, wrapUpUntil: AT + 20_000 }), AT)?.until).toBe(AT + 20_000)
    // The server's clock is ahead by an hour, or two minutes behind; and ahead by as much as nobody knows yet.
    expect(dnIn(dn('NotReady', { timestamp: AT + 3_590_000, wrapUpUntil: AT + 3_630_000 }), AT, 3_600_000)).toMatchObject({ since: AT - 10_000, until: AT + 30_000 })
    expect(dnIn(dn('NotReady', { timestamp: AT - 130_000, wrapUpUntil: AT - 90_000 }), AT, -120_000)).toMatchObject({ since: AT - 10_000, until: AT + 30_000 })
    expect(dnIn(dn('NotReady', { timestamp: AT + 3_600_000, wrapUpUntil: AT + 3_630_000 }), AT)?.until).toBe(AT + 30_000)
    expect(dnIn(dn('Ready'), AT)?.until).toBeUndefined()
    expect([moreSeconds(AT + 12_300, AT), moreSeconds(AT - 5_000, AT), moreSeconds(AT + 840_000, AT)]).toEqual([73, 60, 900])
    // It makes nothing shorter, and takes no limit away.
    expect([moreSeconds(AT + 841_000, AT), moreSeconds(AT + 960_000, AT), moreSeconds(AT + 1_700_000, AT)]).toEqual([undefined, undefined, undefined])
  })
})

describe('what the server says', () => {
  test('clocks count by the browser: nothing begins later than it was told', () => {
    expect(dnIn(dn('Ready', { timestamp: AT + 5_000 }), AT)?.since).toBe(AT)
    expect(dnIn(dn('Ready', { timestamp: undefined }), AT)?.since).toBe(AT)
    expect([read('1', 'Held').since, read('1', 'Held', { duration: undefined, startedAt: '2031-05-09T13:00:00Z' }).since]).toEqual([AT - 5_000, AT - 3_600_000])
    // How long it is so, and how long it was: read once more, both stay.
    const held = { stateSince: '2031-05-09T13:59:58.000Z' }
    expect(read('1', 'Held', held)).toMatchObject({ began: AT - 5_000, since: AT - 2_000, lastedMs: undefined })
    expect(callIn(call('1', 'Held', held), AT + 60_000 + 120_000, -120_000)).toMatchObject({ began: AT + 115_000, since: AT + 118_000 })
    expect(read('1', 'Released', { ...held, duration: 432 })).toMatchObject({ since: AT - 2_000, lastedMs: 432_000 })
    expect([dnIn({ number: '7101', agentState: 'Asleep' }, AT), callIn({ id: '1' }, AT)]).toEqual([undefined, undefined])
  })
  test('refusals of the service, of the edge, and none at all', () => {
    expect(failureIn(403, { status: { code: 603, message: 'Unauthorized' } })).toEqual({ kind: 'no-session' })
    expect(failureIn(403, { status: { code: 403, message: 'agentId' } })).toEqual({ kind: 'refused', status: 403, why: 'agentId' })
    expect(failureIn(401, { title: 'sign in' })).toEqual({ kind: 'signed-out' })
    expect(failureIn(503, { title: 'gws-proxy does not answer' })).toEqual({ kind: 'refused', status: 503, why: 'gws-proxy does not answer' })
    expect(failureIn(502, undefined)).toEqual({ kind: 'refused', status: 502, why: '' })
  })
})

describe('the page', () => {
  test('a call that is over says how long it was, and does not count on', () => {
    expect(drawn(deskAfter(READY, callChanged('1', 'Established'), callChanged('1', 'Released', { duration: 432 })))).toContain('after 7:12')
  })
  test('shows status with its reason, calls, and one call whole', () => {
    const html = drawn(deskAfter(READY, dnChanged('NotReady', { agentWorkMode: 'AuxWork', reasons: [{ key: 'ReasonCode', type: 'str', value: '1' }] }), callChanged('1', 'Established'), callChanged('2', 'Ringing', { phoneNumber: '+331' })))
    for (const words of ['Not ready', 'Lunch', 'A call from +331 rings, for sales.', 'aria-label="Answer: +331"', 'Transfer', 'Notes', 'sales']) expect(html).toContain(words)
  })
  test('after a call there is a way out of the work, and to more time, where it ends by itself', () => {
    const wrapUp = (more: object): string => drawn(deskAfter(READY, dnChanged('NotReady', { agentWorkMode: 'AfterCallWork', ...more })))
    const timed = wrapUp({ wrapUpUntil: Date.now() + 30_000 })
    for (const words of ['After-call work', 'End after-call work', 'Ends in', 'One minute more', 'Take more time']) expect(timed).toContain(words)
    expect(wrapUp({ wrapUpUntil: Date.now() + 1_700_000 })).not.toContain('One minute more')
    const untimed = wrapUp({})
    expect(untimed).toContain('It lasts until you end it.')
    expect(untimed).not.toContain('Take more time')
  })
  test('who is ready and gets no calls sees why, and ends it', () => {
    const html = drawn(deskAfter(READY, dnChanged('Ready', { dnd: true, forwardTo: '+4915' })))
    for (const words of ['Ready, but no calls come', 'Do not disturb is on at your phone', 'Switch it off', 'Your phone forwards to +4915', 'End forwarding']) expect(html).toContain(words)
    expect(drawn(READY)).not.toContain('no calls come')
  })
  test('not ready that is asked for in a call holds after it', () => {
    const talking = callChanged('1', 'Established', { startedAt: '2031-05-09T13:58:00.000Z' })
    const shown = (...of: readonly object[]): boolean => drawn(deskAfter(READY, ...of)).includes('Not ready after this call')
    const notReady = dnChanged('NotReady', { agentWorkMode: 'AuxWork', timestamp: AT - 10_000 })
    expect([shown(talking, notReady), shown(notReady), shown(talking), shown(talking, notReady, callChanged('1', 'Released'))]).toEqual([true, false, false, false])
    // It was so before, and calls of colleagues wait for nothing.
    expect(shown(notReady, callChanged('1', 'Established', { startedAt: '2031-05-09T13:59:55.000Z' }))).toBe(false)
    expect(shown(callChanged('1', 'Established', { startedAt: '2031-05-09T13:58:00.000Z', callType: 'Internal' }), notReady)).toBe(false)
  })
  test('who is logged out by somebody else can log in again', () => {
    const html = drawn(deskAfter(READY, dnChanged('LoggedOut', { agentId: undefined })))
    expect(html).toContain('Log in again')
    expect(html).not.toContain('>Not ready')
  })
  test('a failure says what, why, and what to do', () => {
    const { troubles } = deskAfter(READY, { kind: 'asked', asked: { id: 'x', what: 'make-call' } }, failed(415, 'x'))
    const html = renderToStaticMarkup(<Troubles desk={nothing} troubles={troubles} />)
    expect(html).toContain('Call did not work: this number cannot be called. (“Invalid Destination DN”)')
    expect(html).toContain('Check the number')
    const unanswered = deskAfter(READY, { kind: 'asked', asked: { id: 'x', what: 'hold' } }, { kind: 'refused', id: 'x', why: { kind: 'unreachable' } })
    // Nothing does it again by itself.
    expect(renderToStaticMarkup(<Troubles desk={nothing} troubles={unanswered.troubles} />)).toContain('Look whether it has happened before you try it again.')
    // What stands alone is a sentence of its own.
    const alone = deskAfter(READY, failed(93))
    expect(renderToStaticMarkup(<Troubles desk={nothing} troubles={alone.troubles} />)).toContain('>That is not possible at the moment.')
    const ofBen = deskAfter(READY, { kind: 'asked', asked: { id: 'x', what: 'logout', about: 'Ben' } }, failed(93, 'x'))
    expect(renderToStaticMarkup(<Troubles desk={nothing} troubles={ofBen.troubles} />)).toContain('Log out (Ben) did not work: ')
  })
  test('the own place is filled in', () => {
    const html = renderToStaticMarkup(
      <QueryClientProvider client={new QueryClient()}>
        <PlaceForm desk={nothing} state={deskAfter(NEW_DESK, complete)} />
      </QueryClientProvider>,
    )
    expect(html).toContain('value="P7101"')
  })
})
