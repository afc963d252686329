/** What programs and people look up: reasons, lists, attributes of calls. */

import type { Group } from '../fields'
import { CODED_ACTIONS } from './options'

const ORDER_MAX = 65_535

/** A reason for what agents do, as for being not ready. */
export const ACTION_CODE: readonly Group[] = [
  {
    title: 'setup.actionCode',
    fields: [
      { kind: 'text', path: 'code', label: 'setup.actionCode.code', hint: 'setup.actionCode.codeHint', required: true, fixed: true },
      { kind: 'text', path: 'name', label: 'setup.name', hint: 'setup.actionCode.nameHint', required: true },
      { kind: 'whole', path: 'order', label: 'setup.actionCode.order', hint: 'setup.actionCode.orderHint', min: 0, max: ORDER_MAX },
      { kind: 'choice', path: 'action', label: 'setup.actionCode.action', hint: 'setup.actionCode.actionHint', options: CODED_ACTIONS, initial: 'not_ready', required: true },
      {
        kind: 'rows',
        path: 'subcodes',
        label: 'setup.actionCode.subcodes',
        hint: 'setup.actionCode.subcodesHint',
        add: 'setup.actionCode.addSubcode',
        isOrdered: true,
        columns: [
          { kind: 'text', name: 'code', label: 'setup.actionCode.code', required: true },
          { kind: 'text', name: 'name', label: 'setup.name', required: true },
        ],
      },
    ],
  },
]

export const LIST: readonly Group[] = [
  {
    title: 'setup.lookup',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'sections', path: 'sections', label: 'setup.lookup.sections', hint: 'setup.lookup.sectionsHint' },
    ],
  },
]

export const BUSINESS_ATTRIBUTE: readonly Group[] = [
  {
    title: 'setup.attribute',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', hint: 'setup.attribute.nameHint', required: true, fixed: true },
      {
        kind: 'rows',
        path: 'values',
        label: 'setup.attribute.values',
        hint: 'setup.attribute.valuesHint',
        add: 'setup.attribute.addValue',
        isOrdered: true,
        columns: [
          { kind: 'text', name: 'value', label: 'setup.attribute.value', required: true },
          { kind: 'text', name: 'display_name', label: 'setup.attribute.displayName' },
        ],
      },
      { kind: 'one-of-rows', path: 'default', label: 'setup.attribute.default', hint: 'setup.attribute.defaultHint', rows: 'values', column: 'value', words: 'display_name' },
      { kind: 'flag', path: 'enforced', label: 'setup.attribute.enforced', hint: 'setup.attribute.enforcedHint' },
      { kind: 'flag', path: 'attach_default', label: 'setup.attribute.attached', hint: 'setup.attribute.attachedHint' },
    ],
  },
]
