import { useId, useState, type ReactElement } from 'react'
import type { Kind } from '../../api/agent-setup'
import { useNames } from './queries'

export type ReferenceInputProps = {
  readonly tenant: string
  readonly of: Kind
  readonly value: string
  readonly attributes: { readonly id?: string; readonly 'aria-label'?: string; readonly 'aria-describedby'?: string | undefined; readonly 'aria-invalid'?: boolean }
  readonly onChange: (value: string) => void
  readonly onEnter?: () => void
}

/** The name of another object: typed, or chosen from those that there are. */
export function ReferenceInput({ tenant, of, value, attributes, onChange, onEnter }: ReferenceInputProps): ReactElement {
  const list = useId()
  const [isWanted, setWanted] = useState(false)
  const names = useNames(tenant, of, value, isWanted)
  return (
    <>
      <input
        {...attributes}
        type="text"
        list={list}
        value={value}
        autoComplete="off"
        spellCheck={false}
        onFocus={() => setWanted(true)}
        onBlur={() => setWanted(false)}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || onEnter === undefined) return
          event.preventDefault()
          onEnter()
        }}
      />
      <datalist id={list}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  )
}
