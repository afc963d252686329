import { useState, type ReactElement } from 'react'
import type { Kind } from '../../api/agent-setup'
import { useNames } from './queries'
import { SuggestedInput, type SuggestedInputProps } from './SuggestedInput'

export type ReferenceInputProps = Pick<SuggestedInputProps, 'value' | 'attributes' | 'onChange' | 'onEnter'> & {
  readonly tenant: string
  readonly of: Kind
}

/** The name of another object: typed, or chosen from those that there are. */
export function ReferenceInput({ tenant, of, value, attributes, onChange, onEnter }: ReferenceInputProps): ReactElement {
  const [isWanted, setWanted] = useState(false)
  const names = useNames(tenant, of, value, isWanted)
  return <SuggestedInput suggestions={names.map((name) => [name])} value={value} attributes={attributes} onChange={onChange} onEnter={onEnter} onFocused={setWanted} />
}
