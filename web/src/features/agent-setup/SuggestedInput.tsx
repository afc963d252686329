import { useId, type ReactElement } from 'react'

/** What people choose from: a name, and what it means where it does not say that itself. */
export type Suggestion = readonly [name: string, words?: string]

export type SuggestedInputProps = {
  readonly suggestions: readonly Suggestion[]
  readonly value: string
  readonly attributes: { readonly id?: string; readonly 'aria-label'?: string; readonly 'aria-describedby'?: string | undefined; readonly 'aria-invalid'?: boolean }
  readonly onChange: (value: string) => void
  readonly onEnter?: (() => void) | undefined
  /** Whether somebody is in it. */
  readonly onFocused?: (isFocused: boolean) => void
}

/** A name that is typed, or chosen among suggestions. */
export function SuggestedInput({ suggestions, value, attributes, onChange, onEnter, onFocused }: SuggestedInputProps): ReactElement {
  const list = useId()
  return (
    <>
      <input
        {...attributes}
        type="text"
        list={list}
        value={value}
        autoComplete="off"
        spellCheck={false}
        onFocus={() => onFocused?.(true)}
        onBlur={() => onFocused?.(false)}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || onEnter === undefined) return
          event.preventDefault()
          onEnter()
        }}
      />
      <datalist id={list}>
        {suggestions.map(([name, words]) => (
          <option key={name} value={name} label={words} />
        ))}
      </datalist>
    </>
  )
}
