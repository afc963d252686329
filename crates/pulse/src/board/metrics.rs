//! The metrics of pulse.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Facts folded into statistics.
        facts: Counter = "pulse_facts";
        /// Facts that are unreadable.
        facts_unreadable: Counter = "pulse_facts_unreadable";
        /// Number of times a tenant's numbers restarted from a snapshot, because the stream no longer had the position.
        begun_anew: Counter = "pulse_begun_anew";
        /// Faults of the program after which one tenant's statistics restarted from the stored state.
        tenants_failed: Counter = "pulse_tenant_faults";
        /// Subscriptions of event streams that broke.
        subscriptions_broken: Counter = "pulse_subscriptions_broken";
        /// Writes of a tenant's statistics that failed; they are repeated.
        writes_failed: Counter = "pulse_writes_failed";
        /// Subjects (calls, agents, DNs, queues) whose last fact was forgotten for lack of room: a repeat of it would count twice.
        marks_forgotten: Counter = "pulse_marks_forgotten";
        /// Changes published to wallboards, after changes within 50 ms were joined.
        changes: Counter = "pulse_changes";
        /// Connected wallboards.
        pub(super) subscribers: Gauge = "pulse_subscribers";
        /// Wallboards refused because too many were connected.
        subscribers_refused: Counter = "pulse_subscribers_refused";
        /// Wallboards disconnected because they read too slowly.
        subscribers_slow: Counter = "pulse_subscribers_slow";
        /// Open statistics.
        statistics: Gauge = "pulse_statistics_open";
    }
}

impl Metrics {
    pub fn folded(&self) {
        self.facts.inc();
    }

    pub fn unreadable(&self) {
        self.facts_unreadable.inc();
    }

    pub fn began_anew(&self) {
        self.begun_anew.inc();
    }

    pub fn tenant_failed(&self) {
        self.tenants_failed.inc();
    }

    pub fn subscription_broke(&self) {
        self.subscriptions_broken.inc();
    }

    pub fn write_failed(&self) {
        self.writes_failed.inc();
    }

    pub fn marks_forgotten(&self, marks: u64) {
        self.marks_forgotten.inc_by(marks);
    }

    pub fn published(&self) {
        self.changes.inc();
    }

    pub fn subscriber_refused(&self) {
        self.subscribers_refused.inc();
    }

    pub fn subscriber_slow(&self) {
        self.subscribers_slow.inc();
    }

    /// Adds the change in the number of open statistics.
    pub fn statistics_open(&self, before: usize, now: usize) {
        let difference = i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX);
        self.statistics.inc_by(difference);
    }
}
