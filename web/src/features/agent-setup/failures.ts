/** Failures in the words of Agent Setup, where somebody has signed in and no token is asked for: what happened, and what to do. */

import * as general from '../../api/errors'
import type { Failure } from '../../api/errors'
import { t } from '../../lib/i18n'

const because = (detail: string): string => (detail === '' ? '' : ` (${detail})`)

export function wordsOf(failure: Failure): string {
  switch (failure.kind) {
    case 'refused-token':
      return t('setup.failure.signedOut')
    case 'not-allowed':
      return t('setup.failure.notAllowed', { why: because(failure.detail) })
    default:
      return general.wordsOf(failure)
  }
}

export function adviceOf(failure: Failure): string {
  switch (failure.kind) {
    case 'refused-token':
      return t('setup.advice.signIn')
    case 'not-allowed':
      return t('setup.advice.privilege')
    case 'unreachable':
      return t('setup.advice.unreachable')
    case 'server':
      return t('setup.advice.server')
    default:
      return general.adviceOf(failure)
  }
}
