import { useEffect, useState } from 'react'
import { pageOf, type Page } from '../../lib/paths'

/** The page that the address names, also after a click on a link of ours, back and forward. */
export function usePage(): Page {
  const [path, setPath] = useState(location.pathname)
  useEffect(() => {
    const onMove = (): void => setPath(location.pathname)
    const onClick = (event: MouseEvent): void => {
      const target = ownLink(event)
      if (target === undefined) return
      event.preventDefault()
      history.pushState(null, '', target)
      onMove()
      scrollTo(0, 0)
    }
    addEventListener('popstate', onMove)
    document.addEventListener('click', onClick)
    return () => {
      removeEventListener('popstate', onMove)
      document.removeEventListener('click', onClick)
    }
  }, [])
  return pageOf(path)
}

/** Where a plain click leads inside these pages. */
function ownLink(event: MouseEvent): string | undefined {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return undefined
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (!(link instanceof HTMLAnchorElement) || link.target !== '' || link.hasAttribute('download')) return undefined
  if (link.origin !== location.origin || link.hash !== '') return undefined
  return link.pathname + link.search
}
