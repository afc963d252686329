import { keepPreviousData, replaceEqualDeep, useQuery } from '@tanstack/react-query'
import type { DeskAnswer, DeskFailure } from '../../../api/workspace'
import { readGroups, readLoggedOut, readMembers, readQueues, steady, type Members, type TeamGroup, type TeamQueue } from '../../../api/workspace-team'

/** How often it is asked where everybody is, and how many wait; groups change seldom. */
const MEMBERS_MS = 2_000
/** Of very many it is asked less often. */
const MANY = 100
const MANY_MS = 5_000
const QUEUES_MS = 5_000
const GROUPS_MS = 300_000

/** What was not answered, so that what was known before stays. */
class NotAnswered extends Error {
  constructor(readonly why: DeskFailure) {
    super(why.kind)
  }
}

async function valueOf<T>(answer: Promise<DeskAnswer<T>>): Promise<T> {
  const is = await answer
  if (is.kind === 'ok') return is.value
  throw new NotAnswered(is.failure)
}

export type Team = {
  readonly groups: readonly TeamGroup[]
  /** Those at work, and how many are. */
  readonly shown: Members | undefined
  /** Those who are logged out; undefined where it is not known who is. */
  readonly out: Members | undefined
  readonly queues: readonly TeamQueue[] | undefined
  /** Why nothing is known, or why what is shown is old. */
  readonly failure: DeskFailure | undefined
}

/** Those of a group, or of all agents, whose names have `term` in them, live. */
export function useTeam(groupId: string, term: string): Team {
  const groups = useQuery({ queryKey: ['team', 'groups'], queryFn: () => valueOf(readGroups()), staleTime: GROUPS_MS })
  const members = useQuery({
    queryKey: ['team', 'members', groupId, term],
    queryFn: () => valueOf(readMembers(groupId, term)),
    // Who types sees those of before until the next ones are there.
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => ((state.data?.all ?? 0) > MANY ? MANY_MS : MEMBERS_MS),
    retry: false,
    // The same for the same: else what stands for an answer that is awaited would be new with each drawing, without end.
    structuralSharing: (before, now) => replaceEqualDeep(before, steady(before as Members | undefined, now as Members)),
  })
  const out = useQuery({ queryKey: ['team', 'out', groupId, term], queryFn: () => valueOf(readLoggedOut(groupId, term)), placeholderData: keepPreviousData, refetchInterval: (members.data?.all ?? 0) > MANY ? MANY_MS : MEMBERS_MS, retry: false, enabled: members.data?.isPart === false })
  const queues = useQuery({ queryKey: ['team', 'queues'], queryFn: () => valueOf(readQueues()), refetchInterval: QUEUES_MS, retry: false })
  return {
    groups: groups.data ?? [],
    shown: members.data,
    out: members.data?.isPart === false ? out.data : undefined,
    queues: queues.data,
    failure: members.error instanceof NotAnswered ? members.error.why : undefined,
  }
}
