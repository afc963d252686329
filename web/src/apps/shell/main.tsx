/** Starts the pages: asks who has signed in, takes the token out of the address and has it exchanged, or what another tab has, shows the kept colours, draws, and tells of its errors. */

import './take-our-address'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { askOthers, CHANNEL, tellOthers } from '../../api/hand-over'
import { currentSession, givenInFragment, signIn } from '../../api/session'
import { keptLanguage, showLanguage } from '../../lib/i18n'
import { note, noteFaults } from '../../lib/noted'
import { refreshAccount } from '../../live/account'
import { queries } from '../../live/queries'
import { applyTheme, keptTheme } from '../../ui/theme'
import '../../ui/tokens.css'
import '../../ui/base.css'
import { router } from './router'

async function takeToken(): Promise<'taken' | 'none'> {
  const given = givenInFragment(location.hash)
  if (given === undefined) return 'none'
  // The token must not stay where people see, copy and bookmark it.
  history.replaceState(history.state, '', location.pathname + location.search)
  const { exchanged } = await import('../../api/link')
  const { token, tenant } = await exchanged(given)
  signIn(token, tenant, sessionStorage)
  return 'taken'
}

/** Time for the other tabs to answer; only somebody without a token waits for it. */
const ANSWER_WITHIN_MS = 250

async function shareToken(): Promise<void> {
  const channel = new BroadcastChannel(CHANNEL)
  let usedAt = Date.now()
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, () => (usedAt = Date.now()), { capture: true, passive: true })
  if (currentSession(sessionStorage) === undefined) {
    await askOthers(channel, sessionStorage, new Promise((resolve) => setTimeout(resolve, ANSWER_WITHIN_MS)))
  }
  tellOthers(channel, sessionStorage, () => usedAt)
}

noteFaults()
applyTheme(keptTheme())
void refreshAccount()
// Whoever comes back may have signed in or out elsewhere.
addEventListener('focus', () => void refreshAccount())
await showLanguage(keptLanguage())
await takeToken()
await shareToken()
addEventListener('hashchange', () => {
  // Another link of ours in the same tab.
  void takeToken().then((taken) => {
    if (taken === 'taken') location.reload()
  })
})

/** The pattern of the page, without the ids in its address. */
function page(): string {
  try {
    return (router.getMatchedRoutes(location.pathname)[0].at(-1)?.fullPath as string | undefined) ?? ''
  } catch {
    // An address whose escapes are wrong.
    return ''
  }
}

router.subscribe('onResolved', ({ pathChanged }) => {
  if (pathChanged) note({ kind: 'opened', page: page() })
})

const root = document.getElementById('root')
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )
}

// What tells of the page is no part of its first load; a page does without it.
void import('../../live/page-watch').then(({ beginWatch }) => beginWatch(page)).catch(() => undefined)
