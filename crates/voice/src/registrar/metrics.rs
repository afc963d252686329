//! Metrics of registrar.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use sip::own_registration::State;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// REGISTERs answered 200.
        accepted: Counter = "registrar_requests_accepted";
        /// REGISTERs answered otherwise.
        refused: Counter = "registrar_requests_refused";
        /// Writes repeated because another registrar wrote first.
        conflicts: Counter = "registrar_conflicts";
        /// Writes that the store refuses, as for lack of room: their REGISTERs are answered 503.
        writes_refused: Counter = "registrar_writes_refused";
        /// Phones whose registration expired.
        expired: Counter = "registrar_phones_expired";
        /// REGISTERs answered 503: too many at once.
        overloaded: Counter = "registrar_requests_overloaded";
        /// Reads or writes that failed in the store.
        store_failures: Counter = "registrar_store_failures";
        /// Phones whose expired registration cannot be ended, because their record cannot be read or written.
        set_aside: Gauge = "registrar_phones_set_aside";
        /// Trunks that are registered with their carriers.
        trunks_registered: Gauge = "registrar_trunks_registered";
        /// Trunks whose carriers have not answered their first REGISTER yet.
        trunks_trying: Gauge = "registrar_trunks_trying";
        /// Trunks that are not registered because their carriers do not take user and password.
        trunks_wrong_password: Gauge = "registrar_trunks_wrong_password";
        /// Trunks whose carriers refuse the registration.
        trunks_refused: Gauge = "registrar_trunks_refused";
        /// Trunks whose carriers do not answer, or have a failure.
        trunks_unreachable: Gauge = "registrar_trunks_unreachable";
        /// Attempts to register with a carrier that have failed.
        trunk_failures: Counter = "registrar_trunk_failures";
        /// Trunks that are not registered because this replica has too many.
        trunks_left_out: Counter = "registrar_trunks_left_out";
    }
}

impl Metrics {
    pub fn request_answered(&self, status: u16) {
        if status < 300 {
            self.accepted.inc()
        } else {
            self.refused.inc()
        };
    }

    pub fn write_conflicted(&self) {
        self.conflicts.inc();
    }

    pub fn write_refused(&self) {
        self.writes_refused.inc();
    }

    pub fn phones_expired(&self, count: u64) {
        self.expired.inc_by(count);
    }

    pub fn phones_set_aside(&self, count: usize) {
        self.set_aside.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets how many trunks are in a state.
    pub fn trunks(&self, state: State, count: usize) {
        let gauge = match state {
            State::Registered => &self.trunks_registered,
            State::Trying => &self.trunks_trying,
            State::WrongPassword => &self.trunks_wrong_password,
            State::Refused => &self.trunks_refused,
            State::Unreachable => &self.trunks_unreachable,
        };
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn trunk_failed(&self) {
        self.trunk_failures.inc();
    }

    pub fn trunk_left_out(&self) {
        self.trunks_left_out.inc();
    }

    pub fn overloaded(&self) {
        self.overloaded.inc();
    }

    pub fn store_failed(&self) {
        self.store_failures.inc();
    }
}
