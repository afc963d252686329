import { createContext, useContext } from 'react'

/** The tenant that is set up: that of who has signed in. */
export const TenantContext = createContext('')

export function useTenant(): string {
  return useContext(TenantContext)
}
