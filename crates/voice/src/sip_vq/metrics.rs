//! The metrics of sip-vq.

use model::{Event, EventName};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of virtual queues.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Calls that wait in virtual queues. A call that waits in two counts twice.
        waiting: Gauge = "sipvq_calls_waiting";
        /// Calls that came into a virtual queue.
        queued: Counter = "sipvq_calls_queued";
        /// Calls that left a virtual queue for an agent, or for another reason than the next one.
        diverted: Counter = "sipvq_calls_diverted";
        /// Calls whose caller hung up in a virtual queue.
        abandoned: Counter = "sipvq_calls_abandoned";
        /// Times that a tenant's virtual queues were read from rq's rows: at the beginning, and if the stream was removed before it was read.
        begun: Counter = "sipvq_views_begun";
        /// Rows of rq left out as unreadable: their calls show with their next fact.
        skipped: Counter = "sipvq_rows_skipped";
    }
}

impl Metrics {
    pub fn waiting_changed(&self, by: i64) {
        self.waiting.inc_by(by);
    }

    pub fn told(&self, event: &Event) {
        match event.name {
            EventName::Queued => self.queued.inc(),
            EventName::Diverted => self.diverted.inc(),
            EventName::Abandoned => self.abandoned.inc(),
            _ => 0,
        };
    }

    pub fn view_begun(&self, skipped: u64) {
        self.begun.inc();
        self.skipped.inc_by(skipped);
    }
}
