//! A fault costs only the input in which it occurs.
//!
//! The loop handles every input in a [`Server::attempt`]. After a panic there, a request is answered 500 and everything else
//! continues: the core keeps its state per request, and each request ends by its own timers. If nothing works any more, the role
//! restarts, as after any other failure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use runtime::fault::{FaultReport, FaultReports, InARow, MESSAGE};
use sip::Flow;

use super::server::Server;

runtime::metrics! {
    /// The count of faults.
    #[derive(Debug)]
    pub(super) struct Counted {
        /// Faults while a message or a timer was handled: a request was answered 500, everything else continued.
        faults: Counter = "sip_proxy_faults";
    }
}

/// What the loop is doing, for the report of a fault.
pub(super) enum Doing {
    /// It handles a message from that flow.
    Message(Bytes, Flow),
    /// It handles an input that is no message.
    Word(&'static str),
    /// Time has passed.
    Time,
}

/// State of fault handling.
pub(super) struct Faults {
    in_a_row: InARow,
    counted: Counted,
    reports: Arc<FaultReports>,
}

impl Faults {
    pub(super) fn new(ctx: &RoleContext) -> Self {
        let reports = Arc::new(FaultReports::new(&ctx.data_dir, ctx.node.as_str()));
        Self { in_a_row: InARow::default(), counted: Counted::register(&ctx.metrics), reports }
    }

    /// Counts and reports a panic; re-raises it after too many in a row.
    fn note(&mut self, panic: Box<dyn Any + Send>, doing: &Doing, now: Timestamp) {
        self.counted.faults.inc();
        let cause = self.in_a_row.caught(panic);
        tracing::error!(%cause, "a fault while a message or a timer was dealt with: all others go on");
        let (name, input) = match doing {
            Doing::Message(bytes, _) => (MESSAGE, String::from_utf8_lossy(bytes).into_owned()),
            Doing::Word(what) => (*what, String::new()),
            Doing::Time => ("time", String::new()),
        };
        let (reports, report) = (self.reports.clone(), FaultReport { at: now, subject: None, cause, name, input });
        tokio::task::spawn_blocking(move || reports.keep(&report));
    }
}

impl Server {
    /// Handles an input.
    pub(super) fn attempt(&mut self, doing: Doing, now: Timestamp, work: impl FnOnce(&mut Self)) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) else {
            return self.faults.in_a_row.went_well();
        };
        self.faults.note(panic, &doing, now);
        let answered = catch_unwind(AssertUnwindSafe(|| {
            if let Doing::Message(bytes, flow) = doing {
                self.proxy.refuse_faulty(bytes, flow);
            }
            self.perform(now);
        }));
        if let Err(panic) = answered {
            self.faults.note(panic, &Doing::Word("an answer"), now);
        }
    }
}
