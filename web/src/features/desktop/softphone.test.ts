import { describe, expect, test } from 'vitest'
import { ticketIn } from '../../api/browser-phone'
import { USUAL, type AudioDevice } from './softphone/devices'
import { bench, connection, phases, registered, rings, settled } from './softphone/phone-for-tests'

/** A browser that a person has told no. */
const DENIED = new DOMException('no', 'NotAllowedError')

describe('a phone in the page', () => {
  test('asks for the microphone first, rings, answers with it, and is muted in a call alone', async () => {
    const { did, hear, phone, state, talks } = await registered()
    expect(state().phase.kind).toBe('ready')
    hear(rings())
    expect([phases(state()), did]).toEqual([['c1 ringing'], ['ring']])
    phone.mute(true)
    expect(state().isMuted).toBe(false)
    expect(await phone.answer('c1')).toBe(true)
    talks('c1')
    expect([phases(state()), did]).toEqual([['c1 talking'], ['ring', 'silence', 'microphone ', 'answer c1', 'play']])
    phone.mute(true)
    expect([state().isMuted, phone.level()]).toEqual([true, 0])
    hear({ kind: 'over', call: 'c1' })
    expect([phases(state()), state().isMuted, did.at(-1)]).toEqual([[], false, 'end'])
  })
  test('a call that its own agent has asked for is answered at once, and so is one that somebody asks it to answer', async () => {
    const { did, hear, state } = await registered()
    hear(rings('c1', true))
    hear(rings('c2'))
    hear({ kind: 'wanted', call: 'c2' })
    await settled()
    expect(did.filter((one) => one.startsWith('answer'))).toEqual(['answer c1', 'answer c2'])
    expect(phases(state())).toEqual(['c1 answering', 'c2 answering'])
  })
  test('without a microphone nobody is called, and a call is not refused for it: it rings on', async () => {
    const never = bench()
    never.withMicrophone(() => Promise.reject(DENIED))
    await never.phone.begin()
    expect([never.state().phase, never.isOpen()]).toEqual([{ kind: 'failed', why: 'denied', said: '' }, false])
    const { did, hear, phone, state, withMicrophone } = await registered()
    hear(rings())
    withMicrophone(() => Promise.reject(new DOMException('none', 'NotFoundError')))
    expect(await phone.answer('c1')).toBe(false)
    expect([phases(state()), did.at(-2), state().phase]).toMatchObject([['c1 ringing'], 'ring', { why: 'no-microphone' }])
  })
  test('a connection that is lost is opened by another ticket, and the audio of calls finds its way anew', async () => {
    const { answers, did, hear, phone, state, talks, wait } = await registered()
    hear(rings())
    await phone.answer('c1')
    talks('c1')
    answers.push({ kind: 'failed', failure: { kind: 'unreachable' } })
    hear({ kind: 'lost' })
    expect(state().phase.kind).toBe('lost')
    await wait()
    expect(did).not.toContain('reconnect x')
    await wait()
    expect(did).toContain('reconnect x')
    hear({ kind: 'registered' })
    await settled()
    expect([state().phase.kind, did.at(-1)]).toEqual(['ready', 'restart c1'])
  })
  test('a refusal is said and not tried again', async () => {
    const { answers, hear, state, wait } = await registered()
    answers.push({ kind: 'failed', failure: { kind: 'refused', status: 403, why: 'calls:control' } })
    hear({ kind: 'lost' })
    await wait()
    expect(state().phase).toEqual({ kind: 'failed', why: 'refused', said: 'calls:control' })
  })
  test('another page goes on with its calls; one on hold is held again before anybody is heard', async () => {
    const first = await registered()
    first.hear(rings('c1'))
    await first.phone.answer('c1')
    first.talks('c1')
    first.hear(rings('c2'))
    const second = bench(first.kept, ['+4930'])
    await second.phone.begin()
    second.hear({ kind: 'registered' })
    await settled()
    expect(phases(second.state())).toEqual(['c1 answering'])
    expect(second.did.filter((one) => !one.startsWith('microphone'))).toEqual(['take over c1 theirs', 'hold +4930'])
    // What is old is not believed.
    const third = bench(first.kept)
    third.pass(120_000)
    await third.phone.begin()
    third.hear({ kind: 'registered' })
    expect(phases(third.state())).toEqual([])
  })
  test('who was muted stays so when the page is loaded again, until the call is over', async () => {
    const first = await registered()
    first.hear(rings('c1'))
    await first.phone.answer('c1')
    first.talks('c1')
    first.phone.mute(true)
    const second = bench(first.kept)
    await second.phone.begin()
    second.hear({ kind: 'registered' })
    await settled()
    const way = connection()
    second.talks('c1', way)
    expect([second.state().isMuted, way.getSenders()[0]?.track?.enabled]).toEqual([true, false])
    second.phone.mute(false)
    expect([second.state().isMuted, way.getSenders()[0]?.track?.enabled]).toEqual([false, true])
    // The next page knows that, too.
    const third = bench(second.kept)
    await third.phone.begin()
    third.hear({ kind: 'registered' })
    await settled()
    third.talks('c1')
    expect(third.state().isMuted).toBe(false)
    // A call that cannot be gone on with leaves nobody muted in the next one.
    second.phone.mute(true)
    const fourth = bench(second.kept)
    await fourth.phone.begin()
    fourth.hear({ kind: 'registered' })
    fourth.hear({ kind: 'over', call: 'c1' })
    fourth.hear(rings('c2'))
    fourth.talks('c2')
    expect(fourth.state().isMuted).toBe(false)
  })
  test('a call is hung up by SIP itself, also while the desk is not reached', async () => {
    const { did, hear, phone } = await registered()
    hear(rings())
    phone.hangUp('c1')
    phone.hangUp('c2')
    expect(did.filter((one) => one.startsWith('hang up'))).toEqual(['hang up c1'])
  })
  test('a microphone that was opened for an answer is closed where no call comes of it', async () => {
    const tracks: { kind: string; readyState: string; stop: () => void }[] = []
    const opened = (): Promise<MediaStream> => {
      const track = { kind: 'audio', readyState: 'live', enabled: true, stop: () => (track.readyState = 'ended') }
      tracks.push(track)
      return Promise.resolve({ getTracks: () => [track], getAudioTracks: () => [track] } as unknown as MediaStream)
    }
    const states = (): readonly string[] => tracks.splice(0).map(({ readyState }) => readyState)
    // The call is over before it is answered; the answer is refused; the phone is stopped meanwhile.
    for (const end of ['over', 'refused', 'stop']) {
      const { hear, phone, withAnswer, withMicrophone } = await registered()
      withMicrophone(opened)
      hear(rings())
      if (end === 'refused') withAnswer(() => Promise.reject(new Error('over')))
      const answer = phone.answer('c1')
      if (end === 'over') hear({ kind: 'over', call: 'c1' })
      if (end === 'stop') phone.stop()
      expect(await answer, end).toBe(false)
      expect(new Set(states()), end).toEqual(new Set(['ended']))
    }
    // What was unplugged between is opened anew.
    const { phone, withMicrophone } = await registered()
    withMicrophone(opened)
    await phone.devices.prepare()
    tracks[0]?.stop()
    expect((await phone.devices.microphone()).getAudioTracks()[0]?.readyState).toBe('live')
  })
  test('names of devices are asked for while the microphone is open, and it is closed then', async () => {
    const { phone, state, withDevices, withMicrophone } = bench()
    const track = { kind: 'audio', readyState: 'live', enabled: true, stop: () => (track.readyState = 'ended') }
    withMicrophone(() => Promise.resolve({ getTracks: () => [track], getAudioTracks: () => [track] } as unknown as MediaStream))
    withDevices(() => [{ kind: 'audioinput', deviceId: 'head', label: track.readyState === 'live' ? 'Headset' : '' }])
    await phone.begin()
    expect([state().devices.microphones, track.readyState]).toEqual([[{ id: 'head', label: 'Headset' }], 'ended'])
    await phone.devices.changed()
    expect(state().devices.microphones).toEqual([{ id: 'head', label: 'Headset' }])
  })
  test('timers of a hidden tab are no sleep', async () => {
    const { did, pass, wait } = await registered()
    for (const [ms, connects] of [[61_000, 0], [91_000, 1]] as const) {
      did.length = 0
      pass(ms)
      await wait()
      expect(did.filter((one) => one.startsWith('reconnect')).length, `${ms}`).toBe(connects)
    }
  })
  test('another microphone is used at once, also in a call', async () => {
    const { did, hear, kept, phone, state, talks } = await registered()
    hear(rings())
    await phone.answer('c1')
    talks('c1')
    const headset: AudioDevice = { id: 'head', label: 'Headset' }
    phone.devices.choose('microphone', headset)
    await settled()
    expect([did.at(-1), state().devices.chosen.microphone, kept.get('trunkline.phone.audio')?.includes('Headset')]).toEqual(['microphone head', headset, true])
    phone.devices.clean(false)
    await settled()
    expect(did.at(-1)).toBe('microphone head raw')
    phone.devices.choose('microphone', USUAL)
    phone.stop()
    expect(did).toContain('close')
  })
})

test('the ticket leads to the page’s own host, by its own scheme', () => {
  const given = { url: 'wss://other.example:8443/webrtc?ticket=a.b', realm: 'example.invalid', number: '7101', expiresIn: 60 }
  expect(ticketIn(given, { protocol: 'https:', host: 'desk.example' })?.url).toBe('wss://desk.example/webrtc?ticket=a.b')
  expect(ticketIn(given, { protocol: 'http:', host: '127.0.0.1:8080' })?.url).toBe('ws://127.0.0.1:8080/webrtc?ticket=a.b')
  expect([ticketIn({ ...given, url: 'https://x/webrtc' }, location()), ticketIn({ ...given, realm: '' }, location())]).toEqual([undefined, undefined])
})

const location = () => ({ protocol: 'https:', host: 'x' })
