/** Why a call waits, in words. */

import type { WaitingCall, WaitingRequest } from '../../../api/workspace-course'
import { t } from '../../../lib/i18n'
import { passedWords } from '../course-words'

export const whoWaits = ({ number }: WaitingCall): string => (number === '' ? t('waiting.unknownNumber') : number)

/** Where: its queues, or else the route point. */
export const whereWaits = ({ queues, routePoint }: WaitingCall): string => (queues.length > 0 ? queues.join(', ') : routePoint)

/** What keeps the agents from it who have the skills, the most frequent reason first. */
export function reasonsOf({ reasons }: WaitingRequest): readonly { readonly text: string; readonly many: number }[] {
  const all = new Map<string, number>()
  for (const { why, many } of reasons) {
    // Nothing keeps them from it.
    if (why === '') continue
    const text = passedWords({ why })
    all.set(text, (all.get(text) ?? 0) + many)
  }
  return [...all].map(([text, count]) => ({ text, many: count })).sort((a, b) => b.many - a.many || a.text.localeCompare(b.text))
}

/** Why nobody takes it, in one sentence. */
export function whyWords(request: WaitingRequest): string {
  const all = request.reasons.reduce((sum, { many }) => sum + many, 0)
  if (all === 0) return t(request.withoutSkills > 0 ? 'waiting.noSkills' : 'waiting.noAgents')
  if (request.reasons.some(({ why }) => why === '')) return t('waiting.soon')
  return t('waiting.busy', { many: all })
}
