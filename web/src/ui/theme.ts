/** Light, dark and high contrast: chosen here and kept, or as the system says. */

import { useEffect, useState } from 'react'

export const THEMES = ['auto', 'light', 'dark', 'contrast'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'trunkline.theme'

export function keptTheme(): Theme {
  const kept = localStorage.getItem(KEY)
  return THEMES.find((theme) => theme === kept) ?? 'auto'
}

/** Shows a theme; to be called before the first paint too. */
export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme === 'auto' ? systemTheme() : theme
}

export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(keptTheme)
  useEffect(() => {
    applyTheme(theme)
    const queries = SYSTEM.map((query) => matchMedia(query))
    const onChange = (): void => applyTheme(theme)
    for (const query of queries) query.addEventListener('change', onChange)
    return () => {
      for (const query of queries) query.removeEventListener('change', onChange)
    }
  }, [theme])
  const choose = (chosen: Theme): void => {
    localStorage.setItem(KEY, chosen)
    setTheme(chosen)
  }
  return [theme, choose]
}

const MORE_CONTRAST = '(prefers-contrast: more)'
const DARK = '(prefers-color-scheme: dark)'
const SYSTEM = [MORE_CONTRAST, DARK]

function systemTheme(): Exclude<Theme, 'auto'> {
  if (matchMedia(MORE_CONTRAST).matches) return 'contrast'
  return matchMedia(DARK).matches ? 'dark' : 'light'
}
