//! The metrics of agent-state.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Requests about agents received.
        requests: Counter = "agentstate_requests";
        /// Requests answered by an error event.
        refused: Counter = "agentstate_requests_refused";
        /// Repairs of the auditor carried out.
        repairs: Counter = "agentstate_repairs";
        /// Faults while processing a request, a fact or a timer: that input had no effect, all others were processed.
        faults: Counter = "agentstate_faults";
        /// Agents logged in.
        logged_in: Gauge = "agentstate_agents_logged_in";
        /// Parties of calls that answers about their DN leave out: the tenant has too many.
        parties_left_out: Counter = "agentstate_parties_left_out";
        /// Agents taken over from another owner.
        taken_over: Counter = "agentstate_agents_taken_over";
        /// Agents who had logged out and whose person is no more: their records are removed.
        forgotten: Counter = "agentstate_agents_forgotten";
        /// Number of times another replica had taken over a tenant's agents.
        lost: Counter = "agentstate_ownership_lost";
    }
}

impl Metrics {
    pub fn request(&self) {
        self.requests.inc();
    }

    pub fn refused(&self) {
        self.refused.inc();
    }

    pub fn repair(&self) {
        self.repairs.inc();
    }

    pub fn fault(&self) {
        self.faults.inc();
    }

    /// Adds the change in the number of logged-in agents.
    pub fn logged_in(&self, by: i64) {
        self.logged_in.inc_by(by);
    }

    pub fn parties_left_out(&self, parties: u64) {
        self.parties_left_out.inc_by(parties);
    }

    pub fn taken_over(&self, agents: usize) {
        self.taken_over.inc_by(agents as u64);
    }

    pub fn forgotten(&self, agents: usize) {
        self.forgotten.inc_by(agents as u64);
    }

    pub fn ownership_lost(&self) {
        self.lost.inc();
    }
}
