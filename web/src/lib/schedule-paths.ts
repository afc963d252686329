/** Addresses of the Workspace API for when people work; apart from the others, which are loaded with every page. */

const workspace = '/workspace/v3'
const query = (values: Readonly<Record<string, string>>): string => (Object.keys(values).length === 0 ? '' : `?${new URLSearchParams(values).toString()}`)

export const schedulePaths = {
  own: (): string => `${workspace}/schedule`,
  /** Without a group, of all that somebody manages. */
  team: (groupId: string, searchTerm: string): string => `${workspace}/supervisor/schedules${query({ ...(groupId === '' ? {} : { groupId }), ...(searchTerm === '' ? {} : { searchTerm }) })}`,
}
