//! Runs a document with the ECMAScript data model to its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use infra::{Clock, SystemClock};
use model::Timestamp;
use orchestration::ecmascript::{Ecmascript, PlatformObjects, ReadTenant, ScriptLimits};
use scxml::{Datamodel, Document, End, Limits, Output, Session, Value, Vocabulary};

pub const T0: Timestamp = Timestamp::from_millis(1_000_000);

pub fn data() -> Box<dyn Datamodel> {
    limited(ScriptLimits::default())
}

pub fn limited(limits: ScriptLimits) -> Box<dyn Datamodel> {
    timed(limits, Arc::new(SystemClock::start()))
}

pub fn timed(limits: ScriptLimits, clock: Arc<dyn Clock>) -> Box<dyn Datamodel> {
    let start: Value = [("dnis", "+15550100")].into_iter().collect();
    let platform = Rc::new(RefCell::new(PlatformObjects::default()));
    platform.borrow_mut().set(Value::Map(vec![("ixn".into(), [("count", 1.0)].into_iter().collect())]));
    let tenant: ReadTenant = Rc::new(|| None);
    Box::new(
        Ecmascript::new(limits, clock, start, platform, &tenant, &Arc::default()).expect("the language fits the limit"),
    )
}

pub fn document(text: &str) -> Arc<Document> {
    Arc::new(Document::load(text, &Vocabulary::NONE, Limits::default(), None).expect("the test's document is valid"))
}

/// All outputs up to now.
pub fn outputs(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

/// Runs a document with its timers until it ends in `pass`; returns its log.
pub fn run(text: &str) -> Result<Vec<String>, String> {
    let mut session = Session::start(document(text), data(), "s1", T0);
    let mut active = session.active();
    let mut log = Vec::new();
    for _ in 0..50 {
        for output in outputs(&mut session) {
            match output {
                Output::Log { label, text, .. } => log.push(format!("{label}{text}")),
                Output::UnhandledError(event) => log.push(format!("unhandled {}: {:?}", event.name, event.data)),
                Output::Done(End::Final(Value::Text(verdict))) if verdict == "pass" => return Ok(log),
                Output::Done(end) => return Err(format!("{end:?} {log:?}")),
                Output::Action(action) => log.push(action.node.name),
            }
        }
        let Some(due) = session.next_timeout() else { break };
        session.handle_timeout(due);
        active = session.active();
    }
    Err(format!("stopped in {active:?} {log:?}"))
}
