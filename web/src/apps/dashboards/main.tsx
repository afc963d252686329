/** Starts the pages: takes the token out of the address, shows the kept colours, draws. */

import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { takeFromFragment } from '../../api/session'
import { applyTheme, keptTheme } from '../../ui/theme'
import '../../ui/tokens.css'
import '../../ui/base.css'
import { App } from './App'

function takeToken(): 'taken' | 'none' {
  if (takeFromFragment(location.hash, sessionStorage) === 'none') return 'none'
  // The token must not stay where people see, copy and bookmark it.
  history.replaceState(history.state, '', location.pathname + location.search)
  return 'taken'
}

applyTheme(keptTheme())
takeToken()
addEventListener('hashchange', () => {
  // Another link of ours in the same tab.
  if (takeToken() === 'taken') location.reload()
})

const root = document.getElementById('root')
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
