//! What pulse counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Facts folded into statistics.
        facts: Counter = "pulse_facts";
        /// Facts that cannot be read.
        facts_unreadable: Counter = "pulse_facts_unreadable";
        /// Times that a tenant's numbers began anew from a snapshot, because the position was no longer kept.
        begun_anew: Counter = "pulse_begun_anew";
        /// Faults of the program with which one tenant's statistics began again from what was kept.
        tenants_failed: Counter = "pulse_tenant_faults";
        /// Subscriptions of event streams that broke.
        subscriptions_broken: Counter = "pulse_subscriptions_broken";
        /// Writes of a tenant's statistics that failed; they are tried again.
        writes_failed: Counter = "pulse_writes_failed";
        /// Subjects (calls, agents, DNs, queues) whose last fact was forgotten for want of room: a repeat of it would count twice.
        marks_forgotten: Counter = "pulse_marks_forgotten";
        /// Changes published to wallboards, after those of 50 ms were joined.
        changes: Counter = "pulse_changes";
        /// Wallboards that listen now.
        pub(super) subscribers: Gauge = "pulse_subscribers";
        /// Wallboards that were refused because there were too many.
        subscribers_refused: Counter = "pulse_subscribers_refused";
        /// Wallboards that were dropped because they did not take what came.
        subscribers_slow: Counter = "pulse_subscribers_slow";
        /// Statistics that are open.
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

    /// So many more statistics are open than before, or fewer.
    pub fn statistics_open(&self, before: usize, now: usize) {
        let difference = i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX);
        self.statistics.inc_by(difference);
    }
}
