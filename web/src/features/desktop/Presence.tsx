import type { ReactElement } from 'react'
import type { Configuration } from '../../api/workspace-shapes'
import type { Target } from '../../api/workspace-targets'
import { Since } from '../../ui/Since'
import { Glyph } from '../../ui/state-glyphs'
import { kindOf, presenceOf } from './directory-words'
import styles from './Directory.module.css'

export type PresenceProps = { readonly target: Target; readonly configuration: Configuration | undefined }

/** Name, kind and number of a target, and whether they can talk now. */
export function Presence({ target, configuration }: PresenceProps): ReactElement {
  const presence = presenceOf(target.availability, configuration)
  return (
    <>
      <span className={styles['name']}>{target.name}</span>
      <span className={styles['quiet']}>{kindOf(target)}</span>
      {presence === undefined ? null : (
        <span className={styles['presence']} data-presence={presence.glyph}>
          <Glyph name={presence.glyph} className={styles[presence.glyph]} /> {presence.text}
          {presence.since === undefined ? null : <Since since={presence.since} form="short" className={styles['clock']} />}
        </span>
      )}
    </>
  )
}
