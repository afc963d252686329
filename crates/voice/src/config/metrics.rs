//! The metrics of config.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Tenants whose configuration is in memory.
        tenants: Gauge = "config_tenants";
        /// Number of times a tenant's configuration changed in this node.
        refreshed: Counter = "config_refreshes";
        /// Reads of the cache that failed.
        failed: Counter = "config_read_failures";
        /// Seconds since the cache was last read without a failure. Changes of this time may be missing in what this node tells.
        cache_age: Gauge = "config_cache_age_seconds";
        /// PINs typed at phones that did not match the agent's.
        pins_wrong: Counter = "config_pins_wrong";
        /// PINs not checked because their phone has sent too many wrong ones.
        pins_refused: Counter = "config_pins_refused";
        /// PINs not compared because too many others were, or because their turn has not come in time.
        pins_unlooked: Counter = "config_pins_unlooked";
        /// Phones and agents with wrong PINs that are not told apart any more because too many others of their tenant have sent some.
        guessers_given_up: Counter = "config_pin_guessers_given_up";
    }
}

impl Metrics {
    pub fn tenants_held(&self, count: usize) {
        self.tenants.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn refreshed(&self) {
        self.refreshed.inc();
    }

    pub fn cache_read_before(&self, age: Duration) {
        self.cache_age.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    pub fn pin_wrong(&self) {
        self.pins_wrong.inc();
    }

    pub fn pin_refused(&self) {
        self.pins_refused.inc();
    }

    pub fn pin_unlooked(&self) {
        self.pins_unlooked.inc();
    }

    pub fn guesser_given_up(&self) {
        self.guessers_given_up.inc();
    }

    pub fn read_failed(&self) {
        self.failed.inc();
    }
}
