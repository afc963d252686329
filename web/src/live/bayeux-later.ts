/** The client of Bayeux is loaded beside the page that wants it: the page is drawn meanwhile. */

import type { Bayeux, BayeuxOptions } from './bayeux'

/** Opens it as soon as it is there. */
export function openBayeuxLater(options: BayeuxOptions): Bayeux {
  let opened: Bayeux | undefined
  let state: 'loading' | 'failed' | 'opened' | 'closed' = 'loading'
  const load = async (): Promise<void> => {
    state = 'loading'
    try {
      const { openBayeux } = await import('./bayeux')
      if (state !== 'loading') return
      opened = openBayeux(options)
      state = 'opened'
    } catch {
      if (state !== 'loading') return
      state = 'failed'
      options.onNews({ kind: 'lost' })
    }
  }
  const retry = (): void => {
    if (state === 'failed') void load()
    else opened?.retry()
  }
  const doubt = (): void => opened?.doubt()
  void load()
  addEventListener('online', retry)
  addEventListener('offline', doubt)
  return {
    retry,
    doubt,
    close: () => {
      state = 'closed'
      removeEventListener('online', retry)
      removeEventListener('offline', doubt)
      return opened?.close() ?? Promise.resolve()
    },
  }
}
