import type { ReactElement } from 'react'

/** Shapes that differ without colour. */
export const GLYPHS = {
  ready: 'M5 12.5l4.5 4.5L19 7.5',
  ringing: 'M12 4a6 6 0 0 0-6 6c0 5-2 6-2 7h16c0-1-2-2-2-7a6 6 0 0 0-6-6zM10 20.5h4',
  talking: 'M5 4h4l2 5-2.5 1.6a11 11 0 0 0 5 5L15 13l5 2v4a1.5 1.5 0 0 1-1.7 1.5A16.5 16.5 0 0 1 3.5 5.700A1.500 1.500 0 0 1 5 4z',
  afterCallWork: 'M5 20l1-4L16 5.500l3 3L9 19zM14 7.500l3 3',
  notReady: 'M8 5v14M16 5v14',
  unknown: 'M8.500 9a3.500 3.500 0 1 1 5 3.200c-1 .5-1.500 1.200-1.500 2.300M12 18.500v.5',
  loggedOut: 'M12 4v8M7.500 6.500a7 7 0 1 0 9 0',
  menu: 'M4 7h16M4 12h16M4 17h16',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.500c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500',
  good: 'M5 12.500l4.500 4.500L19 7.500',
  warning: 'M12 4L21 19.500H3zM12 10v4.500M12 17v.4',
  bad: 'M8.500 3.500h7l5 5v7l-5 5h-7l-5-5v-7zM12 7.500v5.500M12 16v.4',
} as const
export type GlyphName = keyof typeof GLYPHS

export type GlyphProps = { readonly name: GlyphName; readonly className?: string | undefined }

/** A drawn sign; its meaning stands in words beside it. */
export function Glyph({ name, className }: GlyphProps): ReactElement {
  return (
    <svg className={className} viewBox="0 0 24 24" width="1em" height="1em" aria-hidden="true" focusable="false">
      <path d={GLYPHS[name]} fill="none" stroke="currentColor" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  )
}
