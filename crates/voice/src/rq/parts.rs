//! Updates of agents that arrive in several messages. They take effect with the last one, so that no agent is missing in between.

use contracts::v1;
use routing::agents::AGENTS_MAX;
use tonic::Status;

/// The parts received so far.
#[derive(Default)]
pub(super) struct Parts {
    begun: Option<v1::AgentsUpdate>,
}

impl Parts {
    /// Takes the next message; returns the update when it is complete.
    ///
    /// # Errors
    /// When it contains more agents than any tenant may have.
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    pub fn take(&mut self, part: v1::AgentsUpdate) -> Result<Option<v1::AgentsUpdate>, Status> {
        let unfinished = part.unfinished;
        let all = match self.begun.take() {
            None => part,
            Some(mut begun) => {
                begun.agents.extend(part.agents);
                begun.gone.extend(part.gone);
                begun
            }
        };
        if all.agents.len() > AGENTS_MAX || all.gone.len() > AGENTS_MAX {
            return Err(Status::resource_exhausted(format!("more than {AGENTS_MAX} agents in one update")));
        }
        if unfinished {
            self.begun = Some(all);
            return Ok(None);
        }
        Ok(Some(v1::AgentsUpdate { unfinished: false, ..all }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(agents: &[&str], whole: bool, unfinished: bool) -> v1::AgentsUpdate {
        let profile = |id: &&str| v1::AgentProfile { agent: (*id).to_owned(), ..v1::AgentProfile::default() };
        let agents = agents.iter().map(profile).collect();
        v1::AgentsUpdate { revision: 7, whole, agents, gone: Vec::new(), unfinished }
    }

    #[test]
    fn parts_count_together_with_the_last() {
        let mut parts = Parts::default();
        assert!(parts.take(part(&["a", "b"], true, true)).unwrap().is_none());
        assert!(parts.take(part(&["c"], false, true)).unwrap().is_none());
        let all = parts.take(part(&["d"], false, false)).unwrap();
        assert_eq!(all, Some(part(&["a", "b", "c", "d"], true, false)));
        let next = part(&["a"], false, false);
        assert_eq!(parts.take(next.clone()).unwrap(), Some(next), "the next update stands for itself");
    }

    #[test]
    fn an_update_without_end_is_refused() {
        let mut parts = Parts::default();
        let many = vec!["a"; AGENTS_MAX];
        assert!(parts.take(part(&many, true, true)).unwrap().is_none());
        assert_eq!(parts.take(part(&["b"], false, true)).unwrap_err().code(), tonic::Code::ResourceExhausted);
    }
}
