/** Statistics of the tenant. The category says which of the other fields have a meaning: those alone are shown. */

import type { Group, Options } from '../fields'
import { ACTIONS, CATEGORIES, OBJECT_TYPES, SUBJECTS } from './statistic-names'

const SECONDS_MAX = 604_800

const PROFILES: Options = [
  ['growing', 'setup.statistic.growing'],
  ['sliding', 'setup.statistic.sliding'],
  ['since_login', 'setup.statistic.sinceLogin'],
]

const NAMES = CATEGORIES.map(([name]) => name)
/** Of the present moment, without a stretch of time. */
const PRESENT = NAMES.filter((name) => name.startsWith('Current'))
/** Of a stretch of time. */
const PAST = NAMES.filter((name) => !PRESENT.includes(name))
/** Those with a filter. */
const FILTERED = PAST.filter((name) => name !== 'TotalAdjustedTime')
/** Those that count durations within a range. */
const RANGED = ['TotalNumberInTimeRange', 'TotalNumberInTimeRangePercentage', 'ServiceFactor1', 'CurrentNumberInTimeRange']
/** Those that compare. */
const RATIOS = ['RelativeNumber', 'RelativeNumberPercentage', 'RelativeTimePercentage', 'ServiceFactor1']

const of = (...is: readonly string[]) => ({ path: 'category', is })
const counts = (...is: readonly string[]) => ({ path: 'profile', is })

const RELATIVE = { kind: 'names', path: 'relative', label: 'setup.statistic.relative', hint: 'setup.statistic.relativeHint', options: ACTIONS } as const

export const STATISTIC_DEFINITION: readonly Group[] = [
  {
    title: 'setup.statistic',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'text', path: 'description', label: 'setup.statistic.description', isWide: true },
      { kind: 'choice', path: 'category', label: 'setup.statistic.category', hint: 'setup.statistic.categoryHint', options: CATEGORIES, initial: 'TotalNumber', required: true },
      { kind: 'choice', path: 'subject', label: 'setup.statistic.subject', options: SUBJECTS, initial: 'DNAction', required: true },
      { kind: 'many', path: 'objects', label: 'setup.statistic.objects', hint: 'setup.statistic.objectsHint', options: OBJECT_TYPES, required: true },
      // What an agent does now is told without any.
      { kind: 'names', path: 'main', label: 'setup.statistic.main', hint: 'setup.statistic.mainHint', options: ACTIONS, required: true, when: of(...NAMES.filter((name) => name !== 'CurrentState')) },
      { ...RELATIVE, required: true, when: of(...RATIOS) },
      // The number by which it divides, if not that of the main ones.
      { ...RELATIVE, when: of('AverageTime') },
    ],
  },
  {
    title: 'setup.statistic.time',
    when: of(...PAST),
    fields: [
      { kind: 'choice', path: 'profile', label: 'setup.statistic.profile', options: PROFILES, initial: 'growing', required: true },
      { kind: 'text', path: 'resets', label: 'setup.statistic.resets', hint: 'setup.statistic.resetsHint', when: counts('growing') },
      { kind: 'whole', path: 'window_s', label: 'setup.statistic.window', min: 0, max: SECONDS_MAX, unit: 'setup.seconds', required: true, when: counts('sliding') },
      { kind: 'whole', path: 'step_s', label: 'setup.statistic.step', min: 0, max: SECONDS_MAX, unit: 'setup.seconds', required: true, when: counts('sliding') },
    ],
  },
  {
    title: 'setup.statistic.what',
    when: of(...FILTERED, 'CurrentNumberInTimeRange'),
    fields: [
      { kind: 'whole', path: 'range_from_s', label: 'setup.statistic.rangeFrom', min: 0, max: SECONDS_MAX, unit: 'setup.seconds', when: of(...RANGED) },
      { kind: 'whole', path: 'range_to_s', label: 'setup.statistic.rangeTo', min: 0, max: SECONDS_MAX, unit: 'setup.seconds', required: true, when: of(...RANGED) },
      { kind: 'whole', path: 'short_abandon_s', label: 'setup.statistic.shortAbandon', hint: 'setup.statistic.shortAbandonHint', min: 0, max: SECONDS_MAX, unit: 'setup.seconds', when: of('ServiceFactor1') },
      { kind: 'text', path: 'filter', label: 'setup.statistic.filter', hint: 'setup.statistic.filterHint', isWide: true, when: of(...FILTERED) },
    ],
  },
]
