import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useReducer } from 'react'
import { checkPeople, importPeople, type Imported, type Outcome } from '../../api/agent-setup'
import { t } from '../../lib/i18n'
import { accountNow, refreshAccount } from '../../live/account'
import { say } from '../../ui/toast'
import { noteRefusal } from './refusal'
import { refusedHere } from './table-check'
import { nextOfTable, NO_TABLE, type TableFlow } from './table-flow'
import { forgetLists } from './use-change'

export type TableControl = { readonly flow: TableFlow; readonly choose: (file: File) => void; readonly take: () => void; readonly checkAnew: () => void }

/** How an import has ended whose page is no longer there. */
function sayEnd(outcome: Outcome<Imported>): void {
  const isTaken = outcome.kind === 'ok' && outcome.value.faults.length === 0
  say(isTaken ? t('setup.import.done', { count: outcome.value.changed }) : t('setup.left.notTaken'), isTaken ? 'good' : 'bad')
}

/** The one table that a page is about. */
export function useTable(tenant: string): TableControl {
  const [flow, step] = useReducer(nextOfTable, NO_TABLE)
  const queries = useQueryClient()
  const table = flow.kind === 'checking' || flow.kind === 'taking' ? flow.table : undefined
  const isDry = flow.kind === 'checking'
  const shown = flow.kind === 'taking' ? flow.found.checked : ''
  useEffect(() => {
    if (table === undefined) return
    const { file, requestId } = table
    let isShown = true
    const send = async (): Promise<void> => {
      const why = isDry ? await refusedHere(file) : undefined
      if (why !== undefined) return step({ kind: 'unfit', requestId, why })
      // Somebody else may have signed in meanwhile, in whose name nothing of this is to be taken.
      // Who was signed out may have signed in again, which the page has not asked for yet.
      if (!isDry || accountNow().kind !== 'in') await refreshAccount()
      const outcome = isDry ? await checkPeople(tenant, file) : await importPeople(tenant, requestId, shown, file)
      if (outcome.kind === 'failed') noteRefusal(outcome.failure)
      if (!isDry) await forgetLists(queries, tenant)
      // Whoever has left the page is told all the same.
      if (!isDry && !isShown) sayEnd(outcome)
      step({ kind: 'answered', requestId, outcome })
    }
    void send()
    return () => {
      isShown = false
    }
  }, [table, isDry, shown, tenant, queries])
  const choose = useCallback((file: File) => step({ kind: 'choose', table: { file, requestId: crypto.randomUUID() } }), [])
  return { flow, choose, take: useCallback(() => step({ kind: 'take' }), []), checkAnew: useCallback(() => step({ kind: 'check-anew', requestId: crypto.randomUUID() }), []) }
}
