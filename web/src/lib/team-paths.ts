/** Addresses of the Workspace API for a supervisor's people; apart from the others, which are loaded with every page. */

const part = encodeURIComponent
const workspace = '/workspace/v3'
const query = (values: Readonly<Record<string, string>>): string => `?${new URLSearchParams(values).toString()}`

export const teamPaths = {
  groups: (): string => `${workspace}/configuration?types=agentGroups,monitorableAgentGroups`,
  /** Without a group, of all that somebody manages; without states, in whatever state they are. */
  users: (groupId: string, searchTerm: string, limit: number, states: string): string => `${workspace}/users${query({ ...(groupId === '' ? {} : { groupId }), ...(searchTerm === '' ? {} : { searchTerm }), ...(states === '' ? {} : { states }), limit: String(limit) })}`,
  queues: (limit: number): string => `${workspace}/targets${query({ searchTerm: '*', types: 'acd-queue,route-point', limit: String(limit) })}`,
  operate: (user: string, operation: string): string => `${workspace}/users/${part(user)}/voice/${part(operation)}`,
}
