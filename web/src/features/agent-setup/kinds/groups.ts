/** Groups of agents and of places. */

import type { Group } from '../fields'

export const AGENT_GROUP: readonly Group[] = [
  {
    title: 'setup.agentGroup',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', hint: 'setup.agentGroup.nameHint', required: true, fixed: true },
      { kind: 'references', of: 'person', path: 'managers', label: 'setup.agentGroup.managers', hint: 'setup.agentGroup.managersHint' },
    ],
  },
  {
    title: 'setup.agentGroup.members',
    fields: [
      { kind: 'references', of: 'person', path: 'agents', label: 'setup.agentGroup.agents', hint: 'setup.agentGroup.agentsHint' },
      { kind: 'text', path: 'expression', label: 'setup.agentGroup.expression', hint: 'setup.agentGroup.expressionHint', isWide: true },
    ],
  },
]

export const PLACE_GROUP: readonly Group[] = [
  {
    title: 'setup.placeGroup',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'references', of: 'place', path: 'places', label: 'setup.places', hint: 'setup.placeGroup.placesHint' },
    ],
  },
]
