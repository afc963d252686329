//! What agent-state counts.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// The metrics of this role.
#[derive(Clone)]
pub(super) struct Metrics {
    requests: Counter,
    refused: Counter,
    repairs: Counter,
    logged_in: Gauge,
    taken_over: Counter,
    lost: Counter,
}

impl Metrics {
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            requests: registry.counter("agentstate_requests", "Requests about agents that came in"),
            refused: registry.counter("agentstate_requests_refused", "Requests answered by an error event"),
            repairs: registry.counter("agentstate_repairs", "Repairs of the auditor that were carried out"),
            logged_in: registry.gauge("agentstate_agents_logged_in", "Agents that are logged in"),
            taken_over: registry.counter("agentstate_agents_taken_over", "Agents taken over from another owner"),
            lost: registry
                .counter("agentstate_ownership_lost", "Times that another replica had taken a tenant's agents"),
        }
    }

    pub fn request(&self) {
        self.requests.inc();
    }

    pub fn refused(&self) {
        self.refused.inc();
    }

    pub fn repair(&self) {
        self.repairs.inc();
    }

    /// By how many the agents that are logged in have changed.
    pub fn logged_in(&self, by: i64) {
        self.logged_in.inc_by(by);
    }

    pub fn taken_over(&self, agents: usize) {
        self.taken_over.inc_by(agents as u64);
    }

    pub fn ownership_lost(&self) {
        self.lost.inc();
    }
}
