//! Failing sessions next to working ones: the steps that a worker emits.

use infra::SystemClock;
use infra::conformance::SetClock;
use model::event::CallRef;
use model::{CallType, CallUuid, Dn, UserData};
use runtime::Recorder;

use super::slot::CurrentWork;
use super::*;
use crate::ors::applications::load_document;
use crate::ors::call_session::{Ended, Fault};

const WAITS: &str = "<scxml version='1.0' datamodel='ecmascript' xmlns:dialog='urn:trunkline:dialog'><state>
    <transition event='interaction.present'><dialog:play prompts=\"['welcome']\"/></transition>
    <transition event='*'/></state></scxml>";
const GREETS: &str = "<scxml version='1.0' datamodel='ecmascript'><datamodel><data id='a' expr='1'/></datamodel><state><transition event='*'/></state></scxml>";
const GROWS: &str = "<scxml version='1.0' datamodel='ecmascript' xmlns:dialog='urn:trunkline:dialog'>
    <datamodel><data id='text'/></datamodel><state>
    <transition event='interaction.present'><assign location='text' expr=\"'x'.repeat(1200000)\"/><dialog:play prompts=\"['welcome']\"/></transition>
    <transition event='*'/></state></scxml>";

/// Checks of the same work before a thread is abandoned.
const LOOKS: u32 = 30;

fn worker() -> Worker {
    worker_at(Arc::new(SystemClock::start()))
}

fn worker_at(clock: Arc<dyn Clock>) -> Worker {
    let (_, inbox) = mpsc::channel(1);
    worker_in(slot(inbox), 0, Barred::default(), clock)
}

fn slot(inbox: mpsc::Receiver<Posted>) -> Arc<Slot> {
    Arc::new(Slot::new(inbox, Duration::from_secs(2)))
}

fn worker_in(slot: Arc<Slot>, life: u32, barred: Barred, clock: Arc<dyn Clock>) -> Worker {
    let (steps, _) = mpsc::channel(1);
    let sharing = Sharing {
        clock,
        limits: ScriptLimits::default(),
        metrics: Metrics::register(&runtime::Metrics::default()),
        sessions: Arc::new(SessionCounts::up_to(4_000)),
        trace: Recorder::off(),
        barred,
        reports: Reports(mpsc::channel(1).0),
        tenants: Arc::new(|_| None),
    };
    Worker::new(slot, life, steps, sharing)
}

/// The next thread of a blocked worker, after enough checks; the old thread's published state comes first.
fn next_thread(held: &Worker) -> (Worker, Left) {
    let left = (0..LOOKS).find_map(|_| held.slot.look()).expect("it is held");
    if let Some((tenant, digest)) = left.document() {
        held.barred.bar(tenant, digest);
    }
    (worker_in(held.slot.clone(), left.life(), held.barred.clone(), held.clock.clone()), left)
}

fn go_on(worker: &mut Worker, left: Left) {
    let Left { held_by, mut sessions, .. } = left;
    worker.end_what_held(held_by.expect("something held it"), &mut sessions);
    for (key, snapshot) in sessions {
        worker.go_on(&key, snapshot);
    }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}

fn key(number: u64) -> Key {
    (tenant(), ConnId(number))
}

fn start(worker: &mut Worker, number: u64, text: &str) -> Vec<Step> {
    let call = CallRef {
        conn_id: ConnId(number),
        uuid: CallUuid(7),
        thread: CallUuid(7),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    };
    let this_dn = Dn::parse("9000").expect("a DN");
    let caller = Caller { call, this_dn, application: "a".to_owned(), user_data: UserData::new(), owner: None };
    let document = load_document(text, worker.clock.clone(), worker.limits);
    let document = document.unwrap_or_else(|e| panic!("{:#}", anyhow::Error::new(e)));
    let application = Arc::new(Application::of(document, text.len() as u64));
    let entry = Position { major: 1, minor: number };
    let session = SessionId(format!("{}-{entry}", ConnId(number)));
    let start = Start { tenant: tenant(), session, caller, application, entry };
    worker.take(Work::Start(Box::new(start)));
    std::mem::take(&mut worker.out)
}

fn fault(step: &Step) -> Option<Fault> {
    step.commands.iter().find_map(|command| match command {
        Command::Ended(Ended::Failed { fault, .. }) => Some(*fault),
        _ => None,
    })
}

/// The end of a session that waits until its call has its default route; before, its record stays as it was.
fn ends_afterwards(worker: &mut Worker, mut step: Step) -> Step {
    let Some(Change::Save { state, intentions }) = &step.change else { panic!("{:?} is not its record", step.change) };
    assert!(intentions::decode(intentions).contains(&intentions::Intention::DefaultRoute));
    assert!(crate::ors::records::read(state).is_ok_and(|(caller, _)| caller.call == step.caller.call));
    assert!(step.facts.is_empty(), "its end is told with its end");
    let afterwards = step.afterwards.take().expect("its end");
    worker.take(Work::Afterwards(afterwards));
    let [end] = <[Step; 1]>::try_from(std::mem::take(&mut worker.out)).unwrap_or_else(|_| panic!("one step"));
    assert_eq!((end.token, end.change.clone(), end.commands.len()), (step.token, Some(Change::End), 0));
    end
}

/// Asserts that a call takes its default and that no action of its application is carried out.
fn takes_the_default(step: &Step, why: Fault) {
    assert_eq!(fault(step), Some(why));
    assert!(step.commands.contains(&Command::DefaultRoute));
    let treats = |c: &Command| matches!(c, Command::Request { kind: model::RequestKind::ApplyTreatment(..), .. });
    assert!(!step.commands.iter().any(treats), "{:?}", step.commands);
}

#[test]
fn a_panic_in_a_turn_costs_its_session_and_no_other() {
    let mut worker = worker();
    let (sender, mut reports) = mpsc::channel(1);
    worker.reports = Reports(sender);
    start(&mut worker, 1, WAITS);
    start(&mut worker, 2, WAITS);
    worker.with(&key(1), || "a test".to_owned(), |_| panic!("a fault of the program at +4930123456"));
    let report = reports.try_recv().expect("it is reported");
    assert_eq!((report.subject, report.input.as_str()), (Some(ConnId(1).to_string()), "application a: a test"));
    assert!(!report.cause.to_string().contains("30123456"), "{}", report.cause);
    let [step] = <[Step; 1]>::try_from(std::mem::take(&mut worker.out)).unwrap_or_else(|_| panic!("one step"));
    takes_the_default(&step, Fault::Panicked);
    assert!(!ends_afterwards(&mut worker, step).facts.is_empty());
    assert!(!worker.live.contains_key(&key(1)) && worker.live.contains_key(&key(2)));
    assert!(worker.timers.sessions().all(|due| due == key(2)), "its timers are gone with it");
}

#[test]
fn a_record_that_is_too_large_is_not_written_and_what_it_wanted_is_not_done() {
    let mut worker = worker();
    let [step] = &start(&mut worker, 1, GROWS)[..] else { panic!("one step") };
    takes_the_default(step, Fault::TooLarge);
    assert_eq!((step.change.clone(), step.began_with), (None, None), "its entry stays until its call has its default");
    let end = step.afterwards.as_deref().expect("its end");
    assert_eq!((end.change.clone(), end.began_with.is_some()), (None, true));
    assert!(worker.live.is_empty());
}

#[test]
fn a_step_that_the_store_refuses_ends_its_session_with_a_last_word() {
    let mut worker = worker();
    let mut steps = start(&mut worker, 1, WAITS);
    start(&mut worker, 2, WAITS);
    // Refused at its start: there is no record to end.
    worker.take(Work::Unwritten(Box::new(steps.remove(0)), "no room".to_owned()));
    let [last] = &std::mem::take(&mut worker.out)[..] else { panic!("one step") };
    takes_the_default(last, Fault::Unwritten);
    assert_eq!((last.standing, last.change.clone(), last.began_with.is_some()), (Standing::LastWord, None, true));
    // Refused later: the record ends.
    worker.with(&key(2), || "a test".to_owned(), |_| {});
    let step = std::mem::take(&mut worker.out).remove(0);
    worker.take(Work::Unwritten(Box::new(step), "no room".to_owned()));
    let [last] = &std::mem::take(&mut worker.out)[..] else { panic!("one step") };
    takes_the_default(last, Fault::Unwritten);
    assert_eq!((last.standing, last.change.clone()), (Standing::LastWord, Some(Change::End)));
}

#[test]
fn a_session_whose_steps_wait_to_be_written_waits_with_its_timers() {
    let ticks =
        "<scxml version='1.0' datamodel='ecmascript'><state id='a'><onentry><send event='t' delay='10ms'/></onentry>
        <transition event='t' target='a'/></state></scxml>";
    let clock = SetClock::at(Timestamp::from_micros(1_763_622_000_000_000));
    let mut worker = worker_at(clock.clone());
    let mut unwritten = start(&mut worker, 1, ticks);
    for _ in 0..20 {
        let due = worker.timers.next().expect("its timer is set");
        clock.advance(due.since(clock.now()));
        worker.fire(&tenant());
        assert!(worker.timers.next().is_some_and(|next| next > due), "a timer is never set at or before now");
        unwritten.append(&mut worker.out);
    }
    assert_eq!(unwritten.len(), STEPS_AHEAD_MAX);
    unwritten.clear();
    clock.advance(LOOK_AGAIN);
    worker.fire(&tenant());
    assert_eq!(worker.out.len(), 1, "it goes on when they are written");
}

#[test]
fn a_call_that_comes_back_while_rq_lets_its_old_request_go_has_a_new_application() {
    let queued = "<scxml version='1.0' datamodel='ecmascript' xmlns:queue='urn:trunkline:queue'><datamodel><data id='r'/></datamodel><state>
        <transition event='interaction.present' target='end'><queue:submit requestid='r'><queue:targets><queue:target skillexpr=\"'A &gt;= 1'\"/></queue:targets></queue:submit></transition>
        </state><final id='end'/></scxml>";
    let mut worker = worker();
    let steps = start(&mut worker, 1, queued);
    assert_eq!(fault(&steps[0]), Some(Fault::EndedEarly));
    let withdrawn = worker.live[&key(1)].session.withdrawn.clone();
    assert_eq!(withdrawn.len(), 1, "it stays for rq");
    let steps = start(&mut worker, 1, WAITS);
    assert_eq!(steps[0].change, Some(Change::End), "the old one ends");
    assert!(matches!(steps[1].change, Some(Change::Create { .. })), "and the new one begins");
    assert_eq!(worker.live[&key(1)].session.withdrawn, withdrawn);
}

#[test]
fn what_rq_still_says_of_a_session_that_has_ended_here_is_answered() {
    let mut worker = worker();
    start(&mut worker, 1, WAITS);
    worker.with(&key(1), || "a test".to_owned(), |_| panic!("a fault of the program"));
    worker.out.clear();
    let request_id = format!("{}-1-1.4", ConnId(1));
    let outcome = |outcome| v1::QueueOutcome { request_id: request_id.clone(), outcome: Some(outcome) };
    worker.take(Work::Outcome(tenant(), outcome(Outcome::Selected(v1::Selected::default()))));
    assert_eq!(worker.out[0].commands, [Command::Queue(cancellation(&request_id))]);
    worker.out.clear();
    worker.take(Work::Outcome(tenant(), outcome(Outcome::Cancelled(v1::Cancelled {}))));
    assert!(worker.out.is_empty());
}

#[test]
fn a_session_that_cannot_go_on_sends_only_a_call_that_waits_to_its_default() {
    for (answered, default) in [(false, true), (true, false)] {
        let mut before = worker();
        let steps = start(&mut before, 1, WAITS);
        let Some(Change::Create { state, .. }) = &steps[0].change else { panic!("a record") };
        let mut record = crate::ors::records::decode(state).expect("it can be read");
        if answered {
            record.set_stage(v1::SessionCallStage::Answered);
        }
        let (session, token) = (steps[0].session.clone(), Token(2));
        let mut after = worker();
        let restore = Restore { tenant: tenant(), session, record, token, application: None, owes_default: false };
        after.take(Work::Restore(Box::new(restore)));
        let [step] = <[Step; 1]>::try_from(std::mem::take(&mut after.out)).unwrap_or_else(|_| panic!("one step"));
        let commands = step.commands.len();
        assert_eq!((fault(&step), step.commands.contains(&Command::DefaultRoute)), (Some(Fault::NotRestored), default));
        let end = if default { ends_afterwards(&mut after, step) } else { step };
        assert_eq!((end.change, end.facts.len()), (Some(Change::End), commands));
    }
}

#[test]
fn a_session_that_failed_on_another_node_is_not_run_again_and_its_call_takes_the_default() {
    let mut before = worker();
    let fails = "<scxml version='1.0' datamodel='ecmascript'><final id='end'/></scxml>";
    let [step] = <[Step; 1]>::try_from(start(&mut before, 1, fails)).unwrap_or_else(|_| panic!("one step"));
    let Some(Change::Create { state, intentions }) = &step.change else { panic!("a record") };
    assert!(intentions::decode(intentions).contains(&intentions::Intention::DefaultRoute), "{:?}", step.commands);
    assert_eq!(step.afterwards.as_ref().map(|end| end.change.clone()), Some(Some(Change::End)));
    // Its node dies before frontend has answered.
    let record = crate::ors::records::decode(state).expect("it can be read");
    let (session, token) = (step.session.clone(), Token(2));
    let mut after = worker();
    let restore = Restore { tenant: tenant(), session, record, token, application: None, owes_default: true };
    after.take(Work::Restore(Box::new(restore)));
    let [step] = <[Step; 1]>::try_from(std::mem::take(&mut after.out)).unwrap_or_else(|_| panic!("one step"));
    takes_the_default(&step, Fault::NotRestored);
    assert_eq!(ends_afterwards(&mut after, step).token, Token(2));
}

#[test]
fn a_record_from_which_no_session_can_be_made_is_put_aside_and_its_call_takes_the_default() {
    let mut before = worker();
    let steps = start(&mut before, 1, WAITS);
    let Some(Change::Create { state, .. }) = &steps[0].change else { panic!("a record") };
    let mut record = crate::ors::records::decode(state).expect("it can be read");
    record.machine = None;
    let application = before.live.get(&key(1)).map(|live| live.application.clone());
    let (session, token) = (steps[0].session.clone(), Token(2));
    let mut after = worker();
    after.take(Work::Restore(Box::new(Restore {
        tenant: tenant(),
        session,
        record,
        token,
        application,
        owes_default: false,
    })));
    let [step] = &after.out[..] else { panic!("one step") };
    assert!(step.aside.is_some() && step.change.is_none() && step.token == Token(2));
    takes_the_default(step, Fault::Quarantined);
    assert_eq!(step.facts.len(), step.commands.len());
}

#[test]
fn a_late_word_that_a_former_session_of_a_call_is_lost_does_not_end_its_next_one() {
    let mut worker = worker();
    let steps = start(&mut worker, 1, WAITS);
    let forget = |session: &str, token| Work::Forget {
        tenant: tenant(),
        conn_id: ConnId(1),
        session: SessionId(session.to_owned()),
        token: Token(token),
    };
    worker.take(forget("a former one", 1));
    assert!(worker.live.contains_key(&key(1)));
    let session = steps[0].session.0.clone();
    worker.take(forget(&session, 0));
    assert!(worker.live.contains_key(&key(1)), "it has come back since");
    worker.take(forget(&session, 1));
    assert!(!worker.live.contains_key(&key(1)));
}

#[test]
fn a_thread_that_a_script_holds_is_abandoned_and_its_other_sessions_go_on() {
    let mut held = worker();
    start(&mut held, 1, WAITS);
    start(&mut held, 2, GREETS);
    assert!(held.release(), "it has its place");
    assert!(
        (0..1_000).all(|_| held.slot.look().is_none()),
        "one that has nothing in hand may wait as long as it likes"
    );
    held.slot.hold(held.life, CurrentWork::Session(key(1)));
    assert!((1..LOOKS).all(|_| held.slot.look().is_none()), "nobody is abandoned before the time");
    held.slot.hold(held.life, CurrentWork::Session(key(1)));
    let (mut next, left) = next_thread(&held);
    held.with(&key(2), || "a test".to_owned(), |_| {});
    assert!(!held.release(), "whatever it still does is nobody's");
    go_on(&mut next, left);
    assert!(next.release());
    let [ended, restored] =
        <[Step; 2]>::try_from(std::mem::take(&mut next.out)).unwrap_or_else(|_| panic!("two steps"));
    takes_the_default(&ended, Fault::Held);
    assert_eq!(ended.session.0, format!("{}-1-1", ConnId(1)));
    ends_afterwards(&mut next, ended);
    assert!(matches!(restored.change, Some(Change::Save { .. })), "{:?}", restored.change);
    assert_eq!(fault(&restored), None);
    assert_eq!(next.live.keys().collect::<Vec<_>>(), [&key(2)]);
    assert_eq!(next.live[&key(2)].token, Token(1), "it is the same life of the session");
}

#[test]
fn a_document_that_has_held_a_thread_does_not_begin_again_and_others_do() {
    let mut held = worker();
    start(&mut held, 1, WAITS);
    start(&mut held, 2, WAITS);
    assert!(held.release());
    held.slot.hold(held.life, CurrentWork::Session(key(1)));
    let (mut next, left) = next_thread(&held);
    go_on(&mut next, left);
    assert_eq!(next.out.len(), 2);
    next.out.iter().for_each(|step| takes_the_default(step, Fault::Held));
    next.out.clear();
    let [refused] = &start(&mut next, 3, WAITS)[..] else { panic!("one step") };
    takes_the_default(refused, Fault::Held);
    assert!(refused.afterwards.as_ref().is_some_and(|end| end.began_with.is_some()), "its entry is acknowledged");
    assert_eq!(fault(&start(&mut next, 4, GREETS)[0]), None);
}

#[test]
fn an_application_that_holds_its_thread_as_it_begins_costs_its_call_alone() {
    let mut held = worker();
    start(&mut held, 2, GREETS);
    assert!(held.release());
    start(&mut held, 1, WAITS);
    // None of its work was published: the thread counts as still being in it.
    let (mut next, left) = next_thread(&held);
    go_on(&mut next, left);
    let [begun, restored] = &next.out[..] else { panic!("two steps") };
    takes_the_default(begun, Fault::Held);
    assert!(begun.change.is_none() && begun.afterwards.as_ref().is_some_and(|end| end.began_with.is_some()));
    assert_eq!(fault(restored), None);
}

#[test]
fn no_document_begins_any_more_where_too_many_have_held_a_thread() {
    let (barred, other) = (Barred::default(), TenantId::parse("other").expect("a tenant"));
    barred.bar(tenant(), 1);
    assert!(barred.is_barred(&tenant(), 1) && !barred.is_barred(&tenant(), 2) && !barred.is_barred(&other, 1));
    barred.bar(tenant(), 2);
    assert!(barred.is_barred(&tenant(), 3) && !barred.is_barred(&other, 3), "the tenant has had its threads");
    (3..5).for_each(|digest| barred.bar(TenantId::parse(&format!("t{digest}")).expect("a tenant"), digest));
    assert!(barred.is_barred(&other, 9), "and so has the node");
}

#[test]
fn a_session_that_is_given_up_leaves_no_request_with_rq() {
    let queued = "<scxml version='1.0' datamodel='ecmascript' xmlns:queue='urn:trunkline:queue'><datamodel><data id='r'/></datamodel><state>
        <transition event='interaction.present'><queue:submit requestid='r'><queue:targets><queue:target skillexpr=\"'A &gt;= 1'\"/></queue:targets></queue:submit></transition>
        </state></scxml>";
    let mut before = worker();
    let steps = start(&mut before, 1, queued);
    let Some(Change::Create { state, .. }) = &steps[0].change else { panic!("a record") };
    let record = crate::ors::records::decode(state).expect("it can be read");
    let request = record.queueing.as_ref().expect("it waits").request_id.clone();
    let mut after = worker();
    let (session, token) = (steps[0].session.clone(), Token(2));
    after.take(Work::Restore(Box::new(Restore {
        tenant: tenant(),
        session,
        record,
        token,
        application: None,
        owes_default: false,
    })));
    assert!(after.out[0].commands.contains(&Command::Queue(cancellation(&request))), "{:?}", after.out[0].commands);
}

#[test]
fn a_request_that_was_taken_back_in_a_refused_step_is_taken_back_with_the_last_word() {
    let queued = "<scxml version='1.0' datamodel='ecmascript' xmlns:queue='urn:trunkline:queue'><datamodel><data id='r'/></datamodel><state>
        <transition event='interaction.present'><queue:submit requestid='r'><queue:targets><queue:target skillexpr=\"'A &gt;= 1'\"/></queue:targets></queue:submit></transition>
        <transition event='interaction.udata.changed'><queue:cancel requestid='r'/></transition><transition event='*'/></state></scxml>";
    let mut worker = worker();
    start(&mut worker, 1, queued);
    let request = worker.live[&key(1)].session.queueing.as_ref().expect("it waits").request_id.clone();
    let mut changed = model::Event::new(EventName::AttachedDataChanged);
    changed.user_data.set("a", "b");
    changed.call = Some(worker.live[&key(1)].session.caller.call.clone());
    let position = Position { major: 2, minor: 1 };
    worker.with(
        &key(1),
        || "a test".to_owned(),
        |session| session.handle_fact(position, &changed, Timestamp::from_millis(1)),
    );
    let step = std::mem::take(&mut worker.out).remove(0);
    let back = Command::Queue(cancellation(&request));
    assert!(step.commands.contains(&back), "{:?}", step.commands);
    worker.take(Work::Unwritten(Box::new(step), "no room".to_owned()));
    let [last] = &worker.out[..] else { panic!("one step") };
    assert_eq!(last.commands.iter().filter(|command| **command == back).count(), 1, "{:?}", last.commands);
    let ended = |stamped: &Stamped| stamped.event.name == EventName::SessionEnded;
    assert!(last.facts.iter().any(ended), "rq reads of the end in the same commit");
}

#[tokio::test]
async fn an_abandoned_thread_takes_no_more_work_and_the_next_one_does() {
    let (sender, inbox) = mpsc::channel(1);
    let held = worker_in(slot(inbox), 0, Barred::default(), Arc::new(SystemClock::start()));
    held.slot.hold(held.life, CurrentWork::Session(key(1)));
    let (next, left) = next_thread(&held);
    let (reply, answer) = oneshot::channel();
    let asked = Work::Describe { tenant: tenant(), conn_id: ConnId(1), reply };
    sender.send(Posted::free(asked)).await.unwrap_or_else(|_| panic!("there is room"));
    held.run(Left::default()).await;
    drop(sender);
    next.run(left).await;
    assert_eq!(answer.await, Ok(None), "the next thread has answered");
}
