import { createContext, useContext, type ReactElement } from 'react'
import type { Failure } from '../../api/errors'
import type { Session } from '../../api/session'

/** Who looks, and what a page shows that is refused to them. */
export type SignedIn = { readonly session: Session; readonly onRefused: (failure: Failure) => ReactElement }

export const SignedInContext = createContext<SignedIn | undefined>(undefined)

/** The session of the page that is shown: no page is shown without one. */
export function useSignedIn(): SignedIn {
  const signedIn = useContext(SignedInContext)
  if (signedIn === undefined) throw new Error('a page outside of the frame')
  return signedIn
}
