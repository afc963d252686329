//! A fault costs only the input in which it occurs.
//!
//! The loop handles every input in an attempt (`EventLoop::attempt`). After a panic there, a request is answered 500 and everything else
//! continues: the gateway keeps its state by flow and request, and each ends by its own timers. If nothing works any more, the role restarts,
//! as after any other failure.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use runtime::fault::{FaultReport, FaultReports, InARow, MESSAGE};
use sip::Flow;

runtime::metrics! {
    /// The count of faults.
    #[derive(Debug)]
    pub(super) struct FaultCount {
        /// Faults while a message or a timer was handled: a request was answered 500, everything else continued.
        faults: Counter = "webrtc_faults";
    }
}

/// What the loop is doing, for the report of a fault.
pub(super) enum GatewayWork {
    /// It handles a message from that flow.
    Message(Bytes, Flow),
    /// It handles an input that is no message.
    Word(&'static str),
    /// Time has passed.
    Time,
}

/// State of fault handling.
pub(super) struct GatewayFaults {
    in_a_row: InARow,
    counted: FaultCount,
    reports: Arc<FaultReports>,
}

impl GatewayFaults {
    pub(super) fn new(ctx: &RoleContext) -> Self {
        let reports = Arc::new(FaultReports::new(&ctx.data_dir, ctx.node.as_str()));
        Self { in_a_row: InARow::default(), counted: FaultCount::register(&ctx.metrics), reports }
    }

    /// An input was handled without a fault.
    pub(super) fn went_well(&mut self) {
        self.in_a_row.went_well();
    }

    /// Counts and reports a panic; re-raises it after too many in a row.
    pub(super) fn note(&mut self, panic: Box<dyn Any + Send>, doing: &GatewayWork, now: Timestamp) {
        self.counted.faults.inc();
        let cause = self.in_a_row.caught(panic);
        tracing::error!(%cause, "a fault while a message or a timer was handled: everything else continues");
        let (name, input) = match doing {
            GatewayWork::Message(bytes, _) => (MESSAGE, String::from_utf8_lossy(bytes).into_owned()),
            GatewayWork::Word(what) => (*what, String::new()),
            GatewayWork::Time => ("time", String::new()),
        };
        let (reports, report) = (self.reports.clone(), FaultReport { at: now, subject: None, cause, name, input });
        tokio::task::spawn_blocking(move || reports.keep(&report));
    }
}
