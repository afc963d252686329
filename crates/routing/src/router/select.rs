//! Selection: the longest idle agent for a call, of those with the fewest calls; the first waiting call for an agent.

use std::collections::{BTreeMap, BTreeSet};

use model::{ConnId, Timestamp};
use roaring::RoaringBitmap;

use super::{OFFER_EXPIRY, Output, Router, Waiting};
use crate::agents::Index;
use crate::decision::{
    CANDIDATES_MAX, Candidate, Decision, KeptAgents, KeptFromRequest, MatchedSkill, PassedOver, Rule, SKILLS_MAX,
};
use crate::request::{RequestId, Stage, Target};

/// Up to this number of fitting agents are compared with each other; for more, the idle agents are walked in order.
const SCAN_MAX: u64 = 64;
/// Up to this number of waiting requests are looked at to count their calls.
const WAITING_SCAN_MAX: usize = 64;

impl Router {
    /// Offers a request to the fitting agent that has been idle for longest, if there is one.
    pub(super) fn find_agent(&mut self, id: &RequestId, now: Timestamp) {
        if self.gathers {
            return;
        }
        let Some(waiting) = self.requests.get(id).filter(|waiting| waiting.stage == Stage::Waiting) else { return };
        let fitting = self.fitting(waiting);
        if let Some(index) = self.longest_idle(id, &fitting) {
            self.offer(id, index, &fitting, Rule::LongestIdleAgent, now);
        }
    }

    fn longest_idle(&self, id: &RequestId, fitting: &RoaringBitmap) -> Option<Index> {
        if fitting.intersection_len(self.agents.available()) <= SCAN_MAX {
            let free = fitting & self.agents.available();
            return free
                .iter()
                .filter(|&index| !self.excludes(id, index))
                .min_by_key(|&index| (self.agents.row(index).map(|row| (row.calls.len(), row.idle_since)), index));
        }
        self.agents.idle().find(|&index| fitting.contains(index) && !self.excludes(id, index))
    }

    /// An agent may have become free: gives it the waiting request of highest priority, then longest wait.
    pub(super) fn find_request(&mut self, index: Index, now: Timestamp) {
        if self.gathers || !self.agents.is_available(index) {
            return;
        }
        let first = self
            .pools
            .waiting_for(index)
            .filter_map(|pool| pool.waiting().iter().find(|rank| !self.rank_excludes(rank.2, index)))
            .min();
        let Some(id) = first.and_then(|rank| self.by_arrival.get(&rank.2)).cloned() else { return };
        let considered = RoaringBitmap::from_iter([index]);
        self.offer(&id, index, &considered, Rule::HighestPriorityThenLongestWait, now);
    }

    fn rank_excludes(&self, arrival: u64, index: Index) -> bool {
        self.by_arrival.get(&arrival).is_none_or(|id| self.excludes(id, index))
    }

    fn offer(&mut self, id: &RequestId, index: Index, considered: &RoaringBitmap, rule: Rule, now: Timestamp) {
        let Some((agent, dn)) = self.agents.row(index).and_then(|row| Some((row.id.clone(), row.dn.clone()?))) else {
            return;
        };
        let Some(waiting) = self.requests.get(id) else { return };
        let (call, queue) = (waiting.submission.call, waiting.submission.queue.clone());
        let candidates = self.candidates(id, index, considered);
        let decision = Decision {
            at: now,
            chosen: agent.clone(),
            rule,
            more: u32::try_from(considered.len().saturating_sub(candidates.len() as u64)).unwrap_or(u32::MAX),
            candidates,
            waiting: u32::try_from(self.others_waiting(id, index)).unwrap_or(u32::MAX),
            skills: self.matched(waiting, index),
            waited: now.since(waiting.submission.queued_at),
        };
        self.set_stage(id, Stage::Offered { agent: agent.clone(), expires_at: now + OFFER_EXPIRY });
        self.agents.reserve(index);
        self.outputs.push_back(Output::Offered { request: id.clone(), call, queue, agent, dn, decision });
    }

    /// What an agent has of the skills that a request asks for: by the first of its targets that the agent fits. One that is to be lacking
    /// is none of them.
    fn matched(&self, waiting: &Waiting, index: Index) -> Vec<MatchedSkill> {
        let Some(agent) = self.agents.row(index) else { return Vec::new() };
        let fits = |key: &str| self.pools.get(key).is_some_and(|pool| pool.members().contains(index));
        let target = waiting.keys.iter().zip(&waiting.submission.targets).find(|(key, _)| fits(key));
        let Some((_, Target::Skills(expression))) = target else { return Vec::new() };
        let asked = expression.skills().into_iter();
        let matched = asked.map(|skill| MatchedSkill { skill: skill.to_owned(), level: agent.level(skill) });
        matched.filter(|matched| matched.level > 0).take(SKILLS_MAX).collect()
    }

    /// How many calls other than that of a request wait for an agent. Each counts once, however many requests it has; where many wait,
    /// the requests are counted instead, one for each of the agent's targets.
    fn others_waiting(&self, id: &RequestId, index: Index) -> usize {
        let Some(own) = self.requests.get(id) else { return 0 };
        let all: usize = self.pools.waiting_for(index).map(|pool| pool.waiting().len()).sum();
        if all > WAITING_SCAN_MAX {
            let rank = own.rank();
            return all - self.pools.waiting_for(index).filter(|pool| pool.waiting().contains(&rank)).count();
        }
        let ranks = self.pools.waiting_for(index).flat_map(|pool| pool.waiting());
        let requests = ranks.filter_map(|rank| self.requests.get(self.by_arrival.get(&rank.2)?));
        let calls: BTreeSet<ConnId> = requests.map(|waiting| waiting.submission.call).collect();
        calls.iter().filter(|call| **call != own.submission.call).count()
    }

    /// What keeps the agents that fit from a request, all of them, by reason: at most `named_max` of each are named. No agent is looked at
    /// but those who are named, so that it costs little however many there are.
    pub fn kept_from(&self, id: &RequestId, named_max: usize) -> KeptFromRequest {
        let Some(waiting) = self.requests.get(id) else { return KeptFromRequest::default() };
        let fitting = self.fitting(waiting);
        let free = &fitting & self.agents.available();
        let excluded = &self.excluded(waiting) & &free;
        let logged_out = &fitting - self.agents.logged_in();
        let mut by_reason: BTreeMap<Option<PassedOver>, RoaringBitmap> = BTreeMap::from([
            (None, &free - &excluded),
            (Some(PassedOver::Excluded), excluded),
            (Some(PassedOver::LoggedOut), logged_out),
        ]);
        by_reason.extend(self.agents.kept().map(|(reason, agents)| (Some(reason), agents & &fitting)));
        let name = |index| self.agents.row(index).map(|row| row.id.clone());
        let kept = by_reason.into_iter().filter(|(_, agents)| !agents.is_empty()).map(|(reason, agents)| KeptAgents {
            reason,
            agents: agents.len(),
            named: agents.iter().take(named_max).filter_map(name).collect(),
        });
        KeptFromRequest { fitting: fitting.len(), by_reason: kept.collect() }
    }

    /// The agents that a request passes over, whatever they could take.
    fn excluded(&self, waiting: &Waiting) -> RoaringBitmap {
        let declined = waiting.declined.iter().map(|declined| &declined.agent);
        waiting.submission.excluded.iter().chain(declined).filter_map(|agent| self.agents.index_of(agent)).collect()
    }

    /// How many agents are provisioned.
    pub fn agents(&self) -> u64 {
        self.agents.known().len()
    }

    /// The agents that fit a request.
    fn fitting(&self, waiting: &Waiting) -> RoaringBitmap {
        let pools = waiting.keys.iter().filter_map(|key| self.pools.get(key));
        pools.fold(RoaringBitmap::new(), |all, pool| all | pool.members())
    }

    /// Every agent of the tenant with the reason why it does not take this request, fitting agents first; at most `max`.
    pub fn everyone_for(&self, id: &RequestId, max: usize) -> Vec<Candidate> {
        let Some(waiting) = self.requests.get(id) else { return Vec::new() };
        let fitting = self.fitting(waiting);
        // Lazy: reads only the rows that are returned.
        let others = self.agents.rows().map(|(index, _)| index).filter(|&index| !fitting.contains(index));
        let named = fitting.iter().map(|index| (index, None));
        let unfit = others.map(|index| (index, Some(PassedOver::Skills)));
        named
            .chain(unfit)
            .take(max)
            .filter_map(|(index, unfit)| {
                let candidate = self.candidate(id, index, Index::MAX)?;
                Some(Candidate { passed_over: unfit.or(candidate.passed_over), ..candidate })
            })
            .collect()
    }

    fn candidates(&self, id: &RequestId, chosen: Index, considered: &RoaringBitmap) -> Vec<Candidate> {
        let others = considered.iter().filter(|&index| index != chosen);
        std::iter::once(chosen)
            .chain(others)
            .take(CANDIDATES_MAX)
            .filter_map(|index| self.candidate(id, index, chosen))
            .collect()
    }

    fn candidate(&self, id: &RequestId, index: Index, chosen: Index) -> Option<Candidate> {
        let row = self.agents.row(index)?;
        let passed_over = if index == chosen {
            None
        } else if let Some(obstacle) = self.agents.obstacle(index) {
            Some(obstacle)
        } else if self.excludes(id, index) {
            Some(PassedOver::Excluded)
        } else {
            Some(PassedOver::IdleShorter)
        };
        let idle_since = self.agents.is_available(index).then_some(row.idle_since);
        Some(Candidate { agent: row.id.clone(), idle_since, passed_over })
    }
}
