/** The numbers of a queue on which nothing has happened, for tests. */

import type { Numbers } from './model'

export const noNumbers: Numbers = {
  waiting: 0,
  longestWaitSince: null,
  entered: 0,
  answered: 0,
  abandoned: 0,
  shortAbandoned: 0,
  serviceLevel: null,
  serviceLevelThreshold: 20,
  averageSpeedOfAnswerMs: null,
}
