/** Every address of the APIs behind these pages is built here. */

const part = encodeURIComponent

export const apiPaths = {
  wallboard: (tenant: string): string => `/pulse/api/v1/${part(tenant)}/wallboard`,
  wallboardStream: (tenant: string): string => `/pulse/api/v1/${part(tenant)}/wallboard/stream`,
  topology: (): string => '/api/operations/v1/topology',
  traces: (tenant: string, limit: number): string => `/api/operations/v1/${part(tenant)}/traces?limit=${limit}`,
  telemetry: (): string => '/telemetry/v1/traces',
  telemetryConfig: (app: string): string => `/telemetry/v1/config?app=${part(app)}`,
  /** A page that asks by itself keeps nobody signed in whose session ends though it stays open. */
  session: (by: 'person' | 'page'): string => (by === 'page' ? '/session?by=page' : '/session'),
  /** `to` is a path of these pages. */
  signIn: (to: string): string => `/session/sign-in?to=${part(to)}`,
  /** Asks for the tenant, also whoever has signed in: the session of before lasts until another one has begun. */
  signInElsewhere: (to: string): string => `/session/sign-in?to=${part(to)}&tenant=`,
  signOut: (): string => '/session/sign-out',
  exchange: (): string => '/session/exchange',
  trace: (tenant: string, call: string): string => `/api/operations/v1/${part(tenant)}/traces/${part(call)}`,
}

const setup = (tenant: string): string => `/agent-setup/api/v1/${part(tenant)}`
const query = (values: Readonly<Record<string, string>>): string => {
  const given = Object.entries(values).filter(([, value]) => value !== '')
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`
}

/** Those of Agent Setup. */
export const setupPaths = {
  objects: (tenant: string, kind: string, values: Readonly<Record<string, string>>): string => `${setup(tenant)}/objects/${part(kind)}${query(values)}`,
  object: (tenant: string, kind: string, id: string): string => `${setup(tenant)}/objects/${part(kind)}/${part(id)}`,
  changes: (tenant: string): string => `${setup(tenant)}/changes`,
  history: (tenant: string, values: Readonly<Record<string, string>>): string => `${setup(tenant)}/history${query(values)}`,
  restore: (tenant: string): string => `${setup(tenant)}/restore`,
  uses: (tenant: string, kind: string, id: string): string => `${setup(tenant)}/uses/${part(kind)}/${part(id)}`,
  signIns: (tenant: string, values: Readonly<Record<string, string>>): string => `${setup(tenant)}/sign-ins${query(values)}`,
  apiKeys: (tenant: string): string => `${setup(tenant)}/api-keys`,
  apiKey: (tenant: string, id: string): string => `${setup(tenant)}/api-keys/${part(id)}`,
  promptAudio: (tenant: string): string => `${setup(tenant)}/prompt-audio`,
  recording: (tenant: string, sha256: string): string => `${setup(tenant)}/prompt-audio/${part(sha256)}`,
  people: (tenant: string): string => `${setup(tenant)}/people.csv`,
  peopleImport: (tenant: string, isDry: boolean, requestId: string, checked: string): string => `${setup(tenant)}/people.csv${query({ dry_run: String(isDry), request_id: requestId, checked })}`,
}

const workspace = '/workspace/v3'

/** Those of the agent's desktop: the published Workspace API. */
export const workspacePaths = {
  notifications: (): string => `${workspace}/notifications`,
  begin: (): string => `${workspace}/initialize-workspace`,
  session: (): string => `${workspace}/current-session`,
  configuration: (): string => `${workspace}/configuration?types=actionCodes,agentGroups,businessAttributes,settings`,
  place: (name: string): string => `${workspace}/configuration/places/${part(name)}/dns`,
  activate: (): string => `${workspace}/activate-channels`,
  end: (): string => `${workspace}/logout`,
  voice: (operation: string): string => `${workspace}/voice/${part(operation)}`,
  call: (call: string, operation: string): string => `${workspace}/voice/calls/${part(call)}/${part(operation)}`,
}

/** Those of the page as a phone. */
export const phonePaths = { ticket: (): string => `${workspace}/browser-phone` }
