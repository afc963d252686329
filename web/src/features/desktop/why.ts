/** Why a call has come to this agent, by what routing has set in its data. */

import type { Call } from '../../api/workspace-shapes'
import { t } from '../../lib/i18n'

const EXPRESSION = 'RTargetObjectSelected'
const QUEUE = 'RVQName'
const AGENT = 'RTargetAgentSelected'
/** `French >= 4`, parts of an expression that asks for skills. */
const PART = /^\(*\s*"?([^"<>=!&|]+?)"?\s*(>=|>|==|=)\s*(\d+)\s*\)*$/

/** Empty where the data does not say it: of calls that routing has not brought, or has brought to somebody else who has then given them to this agent. */
export function whyThisCall({ data, type }: Call, agent: string): string {
  const value = (key: string): string => data.find((pair) => pair.key === key)?.value ?? ''
  const [expression, queue, chosen] = [value(EXPRESSION), value(QUEUE), value(AGENT)]
  if (type === 'Consult' || (expression === '' && chosen === '')) return ''
  if (chosen !== '' && chosen !== agent) return ''
  const skills = skillsIn(expression)
  if (skills !== '') return queue === '' ? t('work.why.skills', { skills }) : t('work.why.skillsOf', { skills, queue })
  return queue === '' ? '' : t('work.why.queue', { queue })
}

/** What a simple expression asks for, in words; an expression with alternatives as it stands. */
export function skillsIn(expression: string): string {
  if (!/[<>=]/.test(expression)) return ''
  const parts = expression.split('&').map((part) => PART.exec(part.trim()))
  if (expression.includes('|') || parts.some((part) => part === null)) return expression
  return parts.map((part) => (part?.[2] === '>=' ? t('work.why.skill', { skill: part[1] ?? '', level: part[3] ?? '' }) : `${part?.[1] ?? ''} ${part?.[2] ?? ''} ${part?.[3] ?? ''}`)).join(', ')
}
