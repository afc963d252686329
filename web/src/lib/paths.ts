/** Every address of the APIs behind these pages is built here. */

const part = encodeURIComponent

export const apiPaths = {
  wallboard: (tenant: string): string => `/pulse/api/v1/${part(tenant)}/wallboard`,
  wallboardStream: (tenant: string): string => `/pulse/api/v1/${part(tenant)}/wallboard/stream`,
  topology: (): string => '/api/operations/v1/topology',
  traces: (tenant: string, limit: number): string => `/api/operations/v1/${part(tenant)}/traces?limit=${limit}`,
  telemetry: (): string => '/telemetry/v1/traces',
  trace: (tenant: string, call: string): string => `/api/operations/v1/${part(tenant)}/traces/${part(call)}`,
}
