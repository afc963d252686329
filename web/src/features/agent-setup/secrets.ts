/** The secrets of a form: no document shows them, so that they are told apart from it. */

import { isRemoved, shownFields, textIn, type Draft, type Field, type Group } from './fields'

/** Those that are set anew. */
export function newSecrets(groups: readonly Group[], draft: Draft): readonly Field[] {
  return secretsIn(groups, draft).filter(({ path }) => textIn(draft, path) !== '')
}

/** Those that are removed. */
export function removedSecrets(groups: readonly Group[], draft: Draft): readonly Field[] {
  return secretsIn(groups, draft).filter(({ path }) => isRemoved(draft, path))
}

/** What a draft says of them, to be taken into another one. */
export function onlySecrets(groups: readonly Group[], draft: Draft): Draft {
  return Object.fromEntries(secretsIn(groups, draft).map(({ path }) => [path, draft[path] ?? '']))
}

function secretsIn(groups: readonly Group[], draft: Draft): readonly Field[] {
  return shownFields(groups, draft).filter(({ kind }) => kind === 'secret')
}
