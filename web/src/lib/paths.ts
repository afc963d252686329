/** Every address of these pages and of the APIs behind them is built here. */

const part = encodeURIComponent

export const paths = {
  wallboard: (): string => '/',
  topology: (): string => '/topology',
  traces: (): string => '/trace',
  trace: (call: string): string => `/trace/${part(call)}`,
}

export const apiPaths = {
  wallboard: (tenant: string): string => `/pulse/api/v1/${part(tenant)}/wallboard`,
  wallboardStream: (tenant: string): string => `/pulse/api/v1/${part(tenant)}/wallboard/stream`,
  topology: (): string => '/api/operations/v1/topology',
  traces: (tenant: string, limit: number): string => `/api/operations/v1/${part(tenant)}/traces?limit=${limit}`,
  trace: (tenant: string, call: string): string => `/api/operations/v1/${part(tenant)}/traces/${part(call)}`,
}

/** Which page an address names. */
export type Page =
  | { readonly kind: 'wallboard' }
  | { readonly kind: 'topology' }
  | { readonly kind: 'traces' }
  | { readonly kind: 'trace'; readonly call: string }
  | { readonly kind: 'unknown'; readonly path: string }

export function pageOf(path: string): Page {
  const parts = path.split('/').filter((text) => text !== '')
  if (parts.length === 0) return { kind: 'wallboard' }
  if (parts.length === 1 && parts[0] === 'topology') return { kind: 'topology' }
  if (parts.length === 1 && parts[0] === 'trace') return { kind: 'traces' }
  if (parts.length === 2 && parts[0] === 'trace' && parts[1] !== undefined) return { kind: 'trace', call: decoded(parts[1]) }
  return { kind: 'unknown', path }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
