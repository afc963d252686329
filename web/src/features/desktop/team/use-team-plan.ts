import { useQuery } from '@tanstack/react-query'
import { readTeamPlan, type TeamPlan } from '../../../api/workspace-schedule'

/** What people should do changes with their shifts alone. */
const PLAN_MS = 60_000

/** What those of a group, or of all agents, should do now; undefined where it is not known. */
export function useTeamPlan(groupId: string, term: string): TeamPlan | undefined {
  const { data } = useQuery({
    queryKey: ['team', 'plan', groupId, term],
    queryFn: async () => {
      const answer = await readTeamPlan(groupId, term)
      // Whoever cannot be told says nothing wrong.
      return answer.kind === 'ok' ? answer.value : null
    },
    refetchInterval: PLAN_MS,
    retry: false,
    // A map is shared as it is.
    structuralSharing: false,
  })
  return data ?? undefined
}
