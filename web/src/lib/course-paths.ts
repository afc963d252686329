/** Addresses of the Workspace API for what calls have come through, and for those that wait; apart from the others, which are loaded with every page. */

const part = encodeURIComponent
const workspace = '/workspace/v3'

export const coursePaths = {
  course: (call: string): string => `${workspace}/voice/calls/${part(call)}/course`,
  waiting: (): string => `${workspace}/supervisor/waiting-calls`,
  why: (call: string): string => `${workspace}/supervisor/waiting-calls/${part(call)}`,
  move: (call: string): string => `${workspace}/supervisor/waiting-calls/${part(call)}/move`,
}
