use std::panic::{AssertUnwindSafe, catch_unwind};

use contracts::v1::queue_command::Command;
use infra::{EventEntry, Repair, RepairAction};
use model::{Epoch, Event, EventName, NodeId, SessionName, Subject};
use runtime::fact_in_hand::{FactInHand, FactsInHand, FoldsFacts};

use super::commands::NOT_STORED;
use super::*;

fn queues() -> TenantQueues {
    let record = QueueRecord {
        tenant: TenantId::parse("t1").unwrap(),
        owner: Owner { node: NodeId::parse("rq-1").unwrap(), epoch: Epoch(1) },
        token: Token(4),
        state: bytes::Bytes::new(),
        requests: Vec::new(),
        reservations: Vec::new(),
        consumed: Position::START,
    };
    restored(&record)
}

fn restored(record: &QueueRecord) -> TenantQueues {
    TenantQueues::restore(record, Metrics::register(&runtime::Metrics::default()), runtime::Recorder::off())
}

#[test]
fn a_row_that_cannot_be_read_costs_its_own_request_and_no_other() {
    let now = Timestamp::from_millis(1_000);
    let mut before = queues();
    submit(&mut before, "r1", 1, now);
    submit(&mut before, "r2", 2, now);
    let written = before.turn(now).batch.unwrap();
    let mut requests: Vec<_> = written.requests.into_iter().map(|(id, row)| (id, row.unwrap())).collect();
    requests[0].1 = bytes::Bytes::from_static(b"\xff\xff");
    let agent = AgentId::parse("a-7101").unwrap();
    let record = QueueRecord {
        tenant: before.tenant.clone(),
        owner: before.owner.clone(),
        token: before.token,
        state: bytes::Bytes::from_static(b"\xff"),
        requests,
        reservations: vec![(agent, bytes::Bytes::from_static(b"\xff"))],
        consumed: Position::START,
    };
    let mut after = restored(&record);
    assert!(after.router.status(&RequestId("r1".to_owned())).is_none());
    assert!(after.router.status(&RequestId("r2".to_owned())).is_some());
    let of_r1 = |turn: Turn| turn.batch.is_some_and(|batch| batch.requests.iter().any(|(id, _)| id == "r1"));
    assert!(!of_r1(after.turn(now)), "the row stays as it is");
    submit(&mut after, "r1", 1, now);
    assert!(of_r1(after.turn(now)), "its session says it anew");
}

#[test]
fn a_submission_that_comes_again_brings_the_priority_that_a_lost_update_had() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    submit(&mut queues, "r1", 1, now);
    let again = v1::Submit {
        request_id: "r1".to_owned(),
        conn_id: 1,
        skill_expression: "Sales > 0".to_owned(),
        queue: "VQ_Sales".to_owned(),
        trace: vec![7; 16].into(),
        priority: 5,
        ..v1::Submit::default()
    };
    queues.command(Command::Submit(again), now);
    let request = queues.router.request(&RequestId("r1".to_owned())).unwrap();
    assert_eq!(request.submission.priority, 5);
}

fn submit(queues: &mut TenantQueues, request_id: &str, conn_id: u64, now: Timestamp) {
    let submit = v1::Submit {
        request_id: request_id.to_owned(),
        conn_id,
        skill_expression: "Sales > 0".to_owned(),
        queue: "VQ_Sales".to_owned(),
        trace: vec![7; 16].into(),
        ..v1::Submit::default()
    };
    queues.command(Command::Submit(submit), now);
}

#[test]
fn a_question_is_answered_for_its_own_call_alone() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    submit(&mut queues, "r1", 1, now);
    submit(&mut queues, "r2", 2, now);
    let waiting = queues.explain(ConnId(2)).waiting;
    assert_eq!(waiting.iter().map(|w| w.request_id.as_str()).collect::<Vec<_>>(), ["r2"]);
    assert!(queues.explain(ConnId(3)).waiting.is_empty());
}

#[test]
fn why_a_call_waits_counts_all_agents_and_names_those_nearest_to_taking_it() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    let profile = |name: String, skill: &str| v1::AgentProfile {
        agent: name,
        skills: vec![v1::SkillLevel { skill: skill.to_owned(), level: 5 }],
        ..v1::AgentProfile::default()
    };
    // Those who lack the skills, and those who are logged out, come first in the table.
    let others = (0..100).map(|number| profile(format!("other-{number}"), "French"));
    let out = (0..70).map(|number| profile(format!("out-{number}"), "Sales"));
    let agents = others.chain(out).chain([profile("ann".to_owned(), "Sales")]).collect();
    queues.take_agents(&v1::AgentsUpdate { agents, ..v1::AgentsUpdate::default() }, now);
    let login = Event {
        agent: AgentId::parse("ann").ok(),
        this_dn: model::Dn::parse("7101").ok(),
        ..Event::new(EventName::AgentLogin)
    };
    queues.router.observe(&login, now, now);
    submit(&mut queues, "r1", 1, now);
    let explained = queues.explain(ConnId(1)).waiting;
    let [wait] = explained.as_slice() else { panic!("{explained:?}") };
    let kept: Vec<_> = wait.kept.iter().map(|kept| (kept.passed_over.as_str(), kept.agents)).collect();
    assert_eq!((kept, wait.without_skills), (vec![("not-ready", 1), ("logged-out", 70)], 100));
    assert_eq!((wait.candidates.len(), wait.candidates[0].agent.as_str()), (50, "ann"));
}

#[test]
fn a_request_that_cannot_be_stored_ends_and_its_asker_is_told_why() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    submit(&mut queues, "r1", 1, now);
    submit(&mut queues, "r2", 2, now);
    queues.turn(now);
    queues.refuse(&RequestId("r1".to_owned()), "too large", now);
    assert!(queues.next_timeout().is_some_and(|due| due <= now), "nobody waits for that");
    let turn = queues.turn(now);
    let (id, Outcome::Refused(first)) = &turn.outcomes[0] else { panic!("{:?}", turn.outcomes) };
    assert_eq!((id.0.as_str(), first.code), ("r1", NOT_STORED));
    assert!(first.message.ends_with("too large"), "{}", first.message);
    assert_eq!(turn.ended(), [RequestId("r1".to_owned())], "its row goes with this turn");
    assert!(queues.router.status(&RequestId("r2".to_owned())).is_some());
}

#[test]
fn an_agents_row_that_had_no_room_comes_again_with_the_next_turn() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    let ann = v1::AgentProfile { agent: "ann".to_owned(), ..v1::AgentProfile::default() };
    queues.take_agents(&v1::AgentsUpdate { agents: vec![ann], ..v1::AgentsUpdate::default() }, now);
    let first = queues.turn(now).batch.unwrap().reservations;
    assert_eq!(first.len(), 1);
    assert!(queues.turn(now).batch.is_none(), "it counts as written");
    queues.write_again(std::slice::from_ref(&first[0].0));
    assert_eq!(queues.turn(now).batch.unwrap().reservations, first);
}

#[test]
fn agents_without_room_are_placed_when_others_are_gone() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    let named = |name: String| v1::AgentProfile { agent: name, ..v1::AgentProfile::default() };
    let more = |agents: Vec<v1::AgentProfile>| v1::AgentsUpdate { agents, ..v1::AgentsUpdate::default() };
    let gone = |name: &str| v1::AgentsUpdate { gone: vec![name.to_owned()], ..v1::AgentsUpdate::default() };
    let first = (0..routing::agents::AGENTS_MAX).map(|number| named(number.to_string()));
    queues.take_agents(&more(first.collect()), now);
    queues.take_agents(&more(["ann", "bob", "cy"].map(|name| named(name.to_owned())).into()), now);
    queues.turn(now);
    let ids = ["ann", "bob", "cy"].map(|name| AgentId::parse(name).unwrap());
    let placed = |queues: &TenantQueues| ids.each_ref().map(|agent| queues.router.agent(agent).is_some());
    assert_eq!(placed(&queues), [false; 3]);
    queues.take_agents(&gone("ann"), now);
    queues.take_agents(&gone("7"), now);
    let written = queues.turn(now).batch.unwrap().reservations;
    assert_eq!(placed(&queues), [false, true, false], "one has left, and ann is none any more");
    assert!(written.iter().any(|(agent, row)| *agent == ids[1] && row.is_some()), "its row is written");
    queues.take_agents(&v1::AgentsUpdate { whole: true, ..more(vec![named("cy".to_owned())]) }, now);
    assert_eq!(placed(&queues), [false, false, true]);
}

fn details(conn_id: u64, ended: bool) -> v1::CallDetails {
    let call = CallRef {
        conn_id: ConnId(conn_id),
        uuid: CallUuid(7),
        thread: CallUuid(7),
        previous: None,
        call_type: model::CallType::Inbound,
        propagated_type: None,
        ani: Some("+15550199".to_owned()),
        dnis: Some("9000".to_owned()),
    };
    let data: model::UserData = [("Segment", "Gold")].into_iter().collect();
    v1::CallDetails {
        call: Some(contracts::wire::call_ref_to_wire(&call)),
        waits_at: Some("9000".to_owned()),
        user_data: Some(contracts::wire::user_data_to_wire(&data)),
        ended,
    }
}

#[test]
fn a_request_without_a_name_or_with_one_that_fills_a_record_is_refused() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    for name in [String::new(), "r".repeat(model::id::NAME_MAX + 1)] {
        submit(&mut queues, &name, 1, now);
        let refused = queues.turn(now).outcomes.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>();
        assert!(matches!(refused.as_slice(), [Outcome::Refused(refused)] if refused.code == 53), "{refused:?}");
    }
    assert!(queues.is_idle());
}

#[test]
fn what_the_owner_tells_of_a_call_stands_in_the_queues_events_and_its_end_ends_the_waiting() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    queues.take_call(details(1, false), now);
    submit(&mut queues, "r1", 1, now);
    let queued = queues.turn(now).batch.unwrap().events.remove(0).event;
    assert_eq!((queued.name, queued.user_data.text("Segment")), (EventName::Queued, Some("Gold")));
    assert_eq!(queued.call.unwrap().ani.as_deref(), Some("+15550199"));
    queues.take_call(details(1, true), now);
    let turn = queues.turn(now);
    let left = &turn.batch.as_ref().unwrap().events[0].event;
    assert_eq!((left.name, left.user_data.text("Segment")), (EventName::Abandoned, Some("Gold")));
    assert_eq!(turn.ended(), [RequestId("r1".to_owned())]);
    assert_eq!(queues.calls.call(ConnId(1)), None, "and it is forgotten");
}

fn entry(subject: Subject, name: EventName, call: &CallRef) -> EventEntry {
    let mut event = Event::new(name);
    event.call = Some(call.clone());
    let stamped = model::Stamped {
        id: model::EventId { subject, token: Token(1), seq: model::Seq(1) },
        tenant: TenantId::parse("t1").unwrap(),
        at: Timestamp::from_millis(1_000),
        trace: Some(call.uuid),
        event,
    };
    EventEntry { position: Position { major: 0, minor: 1 }, event: std::sync::Arc::new(stamped), owner: None }
}

#[test]
fn a_request_ends_with_its_application_also_where_nobody_takes_it_back() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    let call = contracts::wire::call_ref_from_wire(details(1, false).call.unwrap()).unwrap();
    for request_id in ["1-7-1.4", "1-7-12.4"] {
        submit(&mut queues, request_id, 1, now);
    }
    queues.turn(now);
    let session = Subject::Session(SessionName::parse("1-7-1").unwrap());
    queues.observe(&[entry(session.clone(), EventName::SessionStarted, &call)], now);
    assert!(queues.turn(now).ended().is_empty());
    queues.observe(&[entry(session.clone(), EventName::SessionEnded, &call)], now);
    assert_eq!(queues.turn(now).ended(), [RequestId("1-7-1.4".to_owned())], "and not that of the call's other session");
    queues.observe(&[entry(session, EventName::SessionEnded, &call)], now);
    assert!(queues.turn(now).ended().is_empty(), "a repeat does nothing");
}

#[test]
fn facts_of_a_call_that_was_over_before_it_was_submitted_name_its_thread() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    submit(&mut queues, "r1", 1, now);
    let queued = queues.turn(now).batch.unwrap().events.remove(0).event;
    queues.command(Command::Cancel(v1::Cancel { request_id: "r1".to_owned() }), now);
    let left = queues.turn(now).batch.unwrap().events.remove(0).event;
    assert_eq!((queued.name, left.name), (EventName::Queued, EventName::Diverted));
    let thread = CallUuid(u128::from_be_bytes([7; 16]));
    assert_eq!([queued, left].map(|event| event.call.unwrap().thread), [thread; 2]);
}

#[test]
fn events_of_a_call_of_which_no_fact_has_come_name_caller_and_dialled_number_also_after_a_restore() {
    let now = Timestamp::from_millis(1_000);
    let mut before = queues();
    let submit = v1::Submit {
        request_id: "r1".to_owned(),
        conn_id: 1,
        skill_expression: "Sales > 0".to_owned(),
        queue: "VQ_Sales".to_owned(),
        trace: vec![7; 16].into(),
        ani: Some("+15550199".to_owned()),
        dnis: Some("+15550100".to_owned()),
        ..v1::Submit::default()
    };
    before.command(Command::Submit(submit), now);
    let mut written = before.turn(now).batch.unwrap();
    let queued = written.events.remove(0).event;
    let record = QueueRecord {
        tenant: before.tenant.clone(),
        owner: before.owner.clone(),
        token: before.token,
        state: bytes::Bytes::new(),
        requests: written.requests.into_iter().map(|(id, row)| (id, row.unwrap())).collect(),
        reservations: Vec::new(),
        consumed: Position::START,
    };
    let mut after = restored(&record);
    after.command(Command::Cancel(v1::Cancel { request_id: "r1".to_owned() }), now);
    let left = after.turn(now).batch.unwrap().events.remove(0).event;
    assert_eq!((queued.name, left.name), (EventName::Queued, EventName::Diverted));
    for event in [queued, left] {
        assert_eq!(event.other_dn.as_deref(), Some("+15550199"));
        let call = event.call.unwrap();
        assert_eq!((call.ani.as_deref(), call.dnis.as_deref()), (Some("+15550199"), Some("+15550100")));
    }
}

#[test]
fn what_we_tell_of_a_call_after_its_end_does_not_bring_it_back() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    let call = contracts::wire::call_ref_from_wire(details(1, false).call.unwrap()).unwrap();
    let of_call = |name| entry(Subject::Call(call.conn_id), name, &call);
    queues.observe(&[of_call(EventName::CallCreated), of_call(EventName::CallDeleted)], now);
    queues.turn(now);
    let ours = Subject::Queue(QueueName::parse("VQ_Sales").unwrap());
    queues.observe(&[entry(ours, EventName::Abandoned, &call)], now);
    queues.turn(now);
    assert_eq!(queues.calls.call(ConnId(1)), None);
}

#[test]
fn a_repair_ends_the_requests_of_a_call_that_there_is_not_and_says_why() {
    let now = Timestamp::from_millis(1_000);
    let mut queues = queues();
    for (request_id, conn_id) in [("r1", 1), ("r2", 2)] {
        let submit = v1::Submit {
            request_id: request_id.to_owned(),
            conn_id,
            skill_expression: "Sales > 0".to_owned(),
            queue: "VQ_Sales".to_owned(),
            trace: vec![7; 16].into(),
            ..v1::Submit::default()
        };
        queues.command(Command::Submit(submit), now);
    }
    queues.turn(now);
    let repair =
        Repair { subject: Subject::Call(ConnId(1)), action: RepairAction::Clear, why: "no such call".to_owned() };
    queues.repair(&repair, now);
    let turn = queues.turn(now);
    assert_eq!(turn.ended(), [RequestId("r1".to_owned())], "its listener is let go");
    let batch = turn.batch.unwrap();
    assert_eq!(batch.requests, [("r1".to_owned(), None)]);
    let [left] = batch.events.as_slice() else { panic!("one event: {:?}", batch.events) };
    assert_eq!(left.event.name, EventName::Abandoned);
    assert_eq!(left.event.extensions.text("Repair"), Some("no such call"));
    queues.repair(&repair, now);
    assert!(queues.turn(now).batch.is_none(), "a repeat does nothing");
    assert!(queues.router.status(&RequestId("r2".to_owned())).is_some());
}

/// Queues that the fact at position 0-2 makes fail, half way.
struct FaultyQueues(TenantQueues);

impl FoldsFacts for FaultyQueues {
    fn fold(&mut self, entry: &EventEntry, now: Timestamp) {
        self.0.fold(entry, now);
        assert!(entry.position.minor != 2, "a fault");
    }

    fn skip(&mut self, position: Position) {
        self.0.skip(position);
    }
}

/// Folds the facts in as many turns as it takes, and returns the ended requests; `None` if that fails.
fn life(
    record: &mut QueueRecord,
    fact: &mut FactInHand,
    facts: &[EventEntry],
    now: Timestamp,
) -> Option<Vec<RequestId>> {
    let mut queues = FaultyQueues(restored(record));
    fact.state_rebuilt();
    let mut ended = Vec::new();
    let lived = catch_unwind(AssertUnwindSafe(|| {
        while queues.0.position() < facts[facts.len() - 1].position {
            let unread: Vec<_> = facts.iter().filter(|entry| entry.position > queues.0.position()).cloned().collect();
            fact.fold(&mut queues, &unread, now);
            let turn = queues.0.turn(now);
            fact.put_down();
            ended.extend(turn.ended());
            if let Some(consumed) = turn.batch.and_then(|batch| batch.consumed) {
                record.consumed = consumed.position;
            }
        }
    }));
    lived.ok().map(|()| ended)
}

#[test]
fn a_fact_with_which_folding_fails_twice_is_skipped_and_the_queues_go_on() {
    let now = Timestamp::from_millis(1_000);
    let mut before = queues();
    submit(&mut before, "r1", 1, now);
    submit(&mut before, "r2", 2, now);
    let written = before.turn(now).batch.unwrap();
    let mut record = QueueRecord {
        tenant: before.tenant.clone(),
        owner: before.owner.clone(),
        token: before.token,
        state: bytes::Bytes::new(),
        requests: written.requests.into_iter().map(|(id, row)| (id, row.unwrap())).collect(),
        reservations: Vec::new(),
        consumed: Position::START,
    };
    let fact = |minor: u64, name: EventName, conn_id: u64| {
        let call = contracts::wire::call_ref_from_wire(details(conn_id, false).call.unwrap()).unwrap();
        let position = Position { major: 0, minor };
        EventEntry { position, ..entry(Subject::Call(ConnId(conn_id)), name, &call) }
    };
    let facts = [fact(1, EventName::Queued, 1), fact(2, EventName::CallDeleted, 1), fact(3, EventName::CallDeleted, 2)];
    let folder = tempfile::tempdir().unwrap();
    let mut in_hand = FactsInHand::open(folder.path(), "rq-1", &runtime::Metrics::default()).of(&record.tenant);
    assert_eq!(life(&mut record, &mut in_hand, &facts, now), None);
    assert_eq!(life(&mut record, &mut in_hand, &facts, now), None, "once more, alone");
    let ended = life(&mut record, &mut in_hand, &facts, now);
    assert_eq!(ended, Some(vec![RequestId("r2".to_owned())]), "the other call's end is folded");
    assert_eq!(record.consumed, facts[2].position, "nobody reads the fact again");
}
