import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { scheduleIn, teamPlanIn } from '../../api/workspace-schedule'
import { dnIn } from '../../api/workspace-shapes'
import { addTexts } from '../../lib/i18n'
import { schedulePaths } from '../../lib/schedule-paths'
import { dn } from './messages-for-tests'
import { dueAt, nextAfter, partsOf, plannedAt, shouldDo, timeIn } from './schedule'
import { Day, ScheduleShown } from './ScheduleNote'

await Promise.all([addTexts('desktop'), addTexts('desktop-work')])

/** The morning on which clocks in Berlin are put forward, at 2:00. */
const at = (time: string): number => Date.parse(`2026-03-${time}Z`)
const NIGHT = {
  now: at('29T00:00'),
  shifts: [
    { id: 'b', begin: at('29T20:00'), end: at('30T04:00'), timeZone: 'Europe/Berlin', activities: [] },
    {
      id: 'a',
      begin: at('28T21:00'),
      end: at('29T04:00'),
      timeZone: 'Europe/Berlin',
      activities: [{ type: 'break', begin: at('29T00:45'), end: at('29T01:15'), reasonCode: 'Tea' }, { type: 'dream', begin: at('29T02:00'), end: at('29T02:10') }],
    },
  ],
}
const SHIFTS = scheduleIn(NIGHT, NIGHT.now)
const agent = (state: string) => dnIn(dn(state), at('29T00:00'))!

test('a shift is read without what is not known, by the browser’s clock', () => {
  expect(SHIFTS.map(({ begin, activities }) => [begin, activities.length])).toEqual([[at('28T21:00'), 1], [at('29T20:00'), 0]])
  expect(scheduleIn(NIGHT, NIGHT.now + 5_000)[0]?.begin).toBe(at('28T21:00') + 5_000)
  expect([scheduleIn(undefined, 0), scheduleIn({ shifts: [{}] }, 0)]).toEqual([[], []])
})

test('at each moment of a shift something is planned, and something comes next', () => {
  expect(partsOf(SHIFTS[0]!).map(({ type }) => type)).toEqual(['work', 'break', 'work'])
  const types = (time: string) => [plannedAt(SHIFTS, at(time))?.type, nextAfter(SHIFTS, at(time))?.type]
  expect([types('28T20:59'), types('28T21:00'), types('29T00:45'), types('29T01:15'), types('29T04:00'), types('30T04:00')]).toEqual([
    [undefined, 'work'],
    ['work', 'break'],
    ['break', 'work'],
    ['work', 'work'],
    [undefined, 'work'],
    [undefined, undefined],
  ])
})

test('times are those of the clocks where it was planned, also in the night in which they are put forward', () => {
  expect(['29T00:45', '29T01:15'].map((time) => timeIn('Europe/Berlin', at(time)))).toEqual(['01:45', '03:15'])
  expect(timeIn('Moon/Crater', at('29T00:45'))).toMatch(/^\d\d:\d\d$/)
})

test('a break is said to who takes calls still, for a while, and in no window', () => {
  expect([dueAt(SHIFTS, at('29T00:46'), 'Ready')?.reason, dueAt(SHIFTS, at('29T00:46'), 'NotReady'), dueAt(SHIFTS, at('29T00:56'), 'Ready'), dueAt(SHIFTS, at('29T00:44'), 'Ready')]).toEqual(['Tea', undefined, undefined, undefined])
  const html = (state: string, time: string): string => renderToStaticMarkup(<ScheduleShown desk={{ ask: () => Promise.resolve(true) }} dn={agent(state)} shifts={SHIFTS} at={at(time)} />)
  expect(html('Ready', '29T00:46')).toContain('Time for your break, until 03:15.')
  expect(html('Ready', '29T00:46')).toContain('Next: Work at 03:15')
  expect(html('Ready', '29T00:46')).not.toContain('dialog')
  expect(html('NotReady', '29T00:46')).not.toContain('Time for your')
  expect(html('Ready', '29T12:00')).toContain('No shift now.')
  expect(html('Ready', '30T12:00')).toBe('')
})

test('the day is a list in which that of now is marked', () => {
  const html = renderToStaticMarkup(<Day shift={SHIFTS[0]!} at={at('29T00:50')} />)
  expect(html.match(/<li/g)).toHaveLength(3)
  expect(html).toMatch(/aria-current="time"[^>]*>01:45–03:15 Break/)
})

test('a supervisor sees who should do something else, and not at the very second', () => {
  const plan = teamPlanIn({ now: at('29T00:50'), schedules: [{ userName: 'Ann', type: 'break', begin: at('29T00:45'), end: at('29T01:15') }, { userName: '', type: 'work', begin: 1, end: 2 }] }, at('29T00:50'))
  const rest = plan.get('ann')
  expect(plan.size).toBe(1)
  expect([shouldDo(rest, 'ready', at('29T00:50'))?.type, shouldDo(rest, 'talking', at('29T00:50'))?.type]).toEqual(['break', 'break'])
  expect([shouldDo(rest, 'ready', at('29T00:46')), shouldDo(rest, 'notReady', at('29T00:50')), shouldDo(rest, 'loggedOut', at('29T00:50')), shouldDo(rest, 'unknown', at('29T00:50')), shouldDo(undefined, 'ready', 0)]).toEqual([undefined, undefined, undefined, undefined, undefined])
  const work = { type: 'work', begin: at('29T00:00'), end: at('29T04:00'), reason: '' } as const
  expect([shouldDo(work, 'notReady', at('29T00:50'))?.type, shouldDo(work, 'loggedOut', at('29T00:50'))?.type, shouldDo(work, 'afterCallWork', at('29T00:50'))]).toEqual(['work', 'work', undefined])
  expect([schedulePaths.team('', ''), schedulePaths.team('7', 'a b')]).toEqual(['/workspace/v3/supervisor/schedules', '/workspace/v3/supervisor/schedules?groupId=7&searchTerm=a+b'])
})
