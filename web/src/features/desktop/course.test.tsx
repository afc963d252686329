import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import { courseIn, waitingIn, whyIn } from '../../api/workspace-course'
import { addTexts } from '../../lib/i18n'
import { CourseShown } from './CallCourse'
import { becauseWords, chosenWords, lastChosen, passedWords, readyWords, shownSteps, stepWords, waitedIn } from './course-words'
import { AT } from './messages-for-tests'
import { reasonsOf, whereWaits, whoWaits, whyWords } from './team/waiting-words'

await Promise.all([addTexts('desktop'), addTexts('desktop-work'), addTexts('course'), addTexts('team')])

const step = (kind: string, name: string, more: object = {}): object => ({ kind, name, beganAt: AT, duration: 12_000, ...more })
const COURSE = {
  steps: [
    step('routePoint', '9000'),
    step('treatment', 'PlayAnnouncement'),
    step('treatment', 'PlayAnnouncementAndDigits', { keyCount: 1, keys: '2' }),
    step('treatment', 'PlayAnnouncementAndDigits', { keyCount: 4 }),
    step('queue', 'sales', { duration: 30_000 }),
    step('treatment', 'Music'),
    step('notTaken', '7102', { duration: 0, result: 'NoAnswer' }),
    step('queue', 'sales', { duration: 11_000, chosen: { agent: '1001', rule: 'longest-idle-agent', passedOver: [{ agent: '1002', why: 'idle-shorter' }, { agent: '1003', why: 'not-ready' }], more: 1, waiting: 0 } }),
    step('phone', '7101', { duration: undefined }),
    step('dream', 'x'),
  ],
  leftOut: 0,
  isWhole: true,
}

describe('what a call has come through', () => {
  const course = courseIn(COURSE)
  test('is told in words, without what says nothing beside a queue, and without the own phone', () => {
    expect(shownSteps(course, '7101').map(stepWords)).toEqual([
      'Announcement: 0:12',
      'Announcement with keys: pressed 2',
      'Announcement with keys: pressed 4 keys',
      'Waited in sales: 0:30',
      '7102 did not take the call',
      'Waited in sales: 0:11',
    ])
    expect(shownSteps(course, '7105').map(stepWords).at(-1)).toBe('Talked with 7101: until now')
  })
  test('says why this agent was chosen', () => {
    const chosen = lastChosen(course, '1001', '7101')!
    expect(chosenWords({ ...chosen, more: 0 })).toBe('Chosen because you had waited longest for a call: 1 other agent could have taken it.')
    expect([chosenWords(chosen), chosenWords({ ...chosen, passedOver: [] })]).toEqual(['Chosen because you had waited longest for a call: at least 1 other agent could have taken it.', 'Chosen because you had waited longest for a call.'])
    expect(chosenWords({ ...chosen, passedOver: [], more: 0 })).toBe('Chosen because nobody else could take it.')
    expect(chosenWords({ ...chosen, rule: 'highest-priority-then-longest-wait', waiting: 3 })).toBe('It came first of the calls that waited for you: 3 more wait.')
    expect([chosenWords({ ...chosen, rule: 'dice' }), passedWords({ why: 'on-call' }), passedWords({ why: 'asleep' })]).toEqual(['', 'on a call', 'asleep'])
  })
  const why = { agent: '1001', rule: 'longest-idle-agent', passedOver: [{ agent: '1002', why: 'idle-shorter' }], more: 0, waiting: 0, skills: [{ skill: 'French', level: 4 }], readyFor: 125_000, waited: 41_000 }
  const chosenBy = (more: object): ReturnType<typeof courseIn> => courseIn({ steps: [step('queue', 'sales', { chosen: { ...why, ...more } })] })
  test('says in one line what of the agent has decided, and how long the caller has waited', () => {
    const words = (more: object): string => becauseWords(lastChosen(chosenBy(more), '1001', '7101')!)
    expect(words({})).toBe('You have French 4, waited longest; caller waited 0:41 in sales')
    expect(words({ skills: [{ skill: 'French', level: 4 }, { skill: 'group:Night', level: 1 }, { skill: 'Sales', level: 2 }] })).toBe('You have French 4, Sales 2, waited longest; caller waited 0:41 in sales')
    expect(words({ skills: [], waited: undefined })).toBe('You waited longest')
    expect(words({ passedOver: [] })).toBe('You have French 4; caller waited 0:41 in sales')
    expect(words({ rule: 'highest-priority-then-longest-wait', waiting: 2 })).toBe('You have French 4; caller waited 0:41 in sales')
    expect([words({ skills: [], passedOver: [] }), becauseWords(lastChosen(course, '1001', '7101')!)]).toEqual(['', 'You waited longest'])
    expect([readyWords(lastChosen(chosenBy({}), '1001', '7101')!), readyWords(lastChosen(course, '1001', '7101')!)]).toEqual(['You had been ready for 2:05.', ''])
    const html = renderToStaticMarkup(<CourseShown course={chosenBy({})} ownDn="7101" agent="1001" />)
    expect(html).toContain('You have French 4, waited longest; caller waited 0:41 in sales')
    expect(html).not.toContain('Waited 0:12 in sales.')
  })
  test('does not say it to whom a call was given by somebody else', () => {
    const moved = courseIn({ ...COURSE, steps: [...COURSE.steps, step('phone', '7102', { duration: undefined })] })
    expect([lastChosen(course, '1002', '7102'), lastChosen(moved, '1002', '7102'), lastChosen(moved, '1001', '7101'), lastChosen(courseIn({}), '', '')]).toEqual([undefined, undefined, undefined, undefined])
  })
  test('counts the time in several queues once, and that in one where it waits still', () => {
    const queue = (name: string, from: number, to?: number): object => step('queue', name, { beganAt: AT + from * 1_000, duration: to === undefined ? undefined : (to - from) * 1_000 })
    const waited = (...steps: readonly object[]): unknown => waitedIn(courseIn({ steps }))
    expect(waited(queue('a', 0, 60), queue('b', 0, 60), queue('c', 10, 60))).toEqual({ queue: 'c', ms: 60_000 })
    expect(waited(queue('a', 0, 30), queue('b', 40, 51))).toEqual({ queue: 'b', ms: 41_000 })
    expect(waited(queue('a', 0), queue('b', 20, 45))).toEqual({ queue: 'b', ms: 45_000 })
    expect(waited(step('phone', '7101'))).toBeUndefined()
  })
  test('is shown folded, but for how long the caller has waited and why', () => {
    const html = renderToStaticMarkup(<CourseShown course={course} ownDn="7101" agent="1001" />)
    for (const words of ['Waited 0:30 in sales.', 'Chosen because', '<summary>Before this</summary>', '1003: not ready']) expect(html).toContain(words)
    expect(html).not.toContain('Not all of it is known.')
    expect(renderToStaticMarkup(<CourseShown course={courseIn({ ...COURSE, isWhole: false })} ownDn="7101" agent="1001" />)).toContain('Not all of it is known.')
    expect(renderToStaticMarkup(<CourseShown course={courseIn({})} ownDn="7101" agent="1001" />)).toBe('')
  })
})

describe('calls that wait', () => {
  const waits = { id: '00aa', ani: '+4930', routePoint: '9000', queues: ['sales'], waiting: 41 }
  test('say who, where and since when, by the browser’s clock', () => {
    const { calls, all } = waitingIn({ calls: [waits, { id: '' }, { id: '00bb', routePoint: '9001', queues: [], waiting: 2 }], totalMatches: 7 }, AT)
    expect(calls.map((call) => [whoWaits(call), whereWaits(call), AT - call.since])).toEqual([['+4930', 'sales', 41_000], ['unknown number', '9001', 2_000]])
    expect(all).toBe(7)
  })
  test('say why nobody takes them', () => {
    const agents = [{ agent: '1001', why: 'on-call' }, { agent: '1002', why: 'not-ready' }]
    const reasons = [{ why: 'on-call', agents: 70 }, { why: 'not-ready', agents: 1 }]
    const { call, requests, course } = whyIn({ call: waits, course: COURSE, requests: [{ asksFor: 'French >= 4', priority: 3, agents, reasons, withoutSkills: 5 }] }, AT)
    const request = requests[0]!
    expect([call.id, course.isWhole, request.asksFor, request.priority]).toEqual(['00aa', true, 'French >= 4', 3])
    expect([whyWords(request), reasonsOf(request)]).toEqual(['None of the 71 who have the skills can take it.', [{ text: 'on a call', many: 70 }, { text: 'not ready', many: 1 }]])
    expect(whyWords({ ...request, reasons: [] })).toBe('No agent has the skills for it.')
    expect(whyWords({ ...request, reasons: [], withoutSkills: 0 })).toBe('There is no agent for it.')
    expect(whyWords({ ...request, reasons: [{ why: '', many: 1 }, ...request.reasons] })).toBe('Somebody is free: the call is being offered.')
  })
})
