use super::*;
use model::{Epoch, NodeId};

const START: Timestamp = Timestamp::from_millis(1_000_000_000);

fn node(number: u8) -> Owner {
    Owner { node: NodeId::parse(&format!("sip-cluster-{number}")).unwrap(), epoch: Epoch(1) }
}

fn call(number: u64) -> CallSeen {
    CallSeen { conn_id: ConnId(number), owner: node(1), due: None, last_event: Some(START) }
}

fn agent(calls: &[u64]) -> AgentSeen {
    AgentSeen {
        agent: AgentId::parse("a1").unwrap(),
        stored: (Token(1), Seq(4)),
        told: Some((Token(1), Seq(4))),
        dn: Some(Dn::parse("7101").unwrap()),
        takes_calls: true,
        busy: !calls.is_empty(),
        calls: calls.iter().map(|call| ConnId(*call)).collect(),
    }
}

fn calls(numbers: &[u64]) -> HashSet<ConnId> {
    numbers.iter().map(|number| ConnId(*number)).collect()
}

/// A site without faults: agent a1 on 7101 is on call 1, which has a running owner.
fn healthy() -> TenantSnapshot {
    TenantSnapshot {
        calls: vec![call(1)],
        nodes: vec![node(1), node(2)],
        agents: vec![agent(&[1])],
        queued: calls(&[1]),
        phones: Some([Dn::parse("7101").unwrap()].into()),
        threads: calls(&[1]),
    }
}

/// The faults confirmed in each round, one round every 10 s.
fn confirmed(picture: &TenantSnapshot, rounds: u64) -> Vec<(u64, Fault)> {
    let mut auditor = Auditor::default();
    let mut found = Vec::new();
    for round in 0..rounds {
        let now = START + ROUND * u32::try_from(round).unwrap();
        found.extend(auditor.round(picture, now).into_iter().map(|finding| (round, finding.fault)));
    }
    found
}

#[test]
fn a_site_in_order_has_no_findings_for_hours() {
    assert_eq!(confirmed(&healthy(), 1_000), []);
}

#[test]
fn each_fault_is_confirmed_after_its_time_and_within_a_minute() {
    let overdue = CallSeen { due: Some(START - OVERDUE), ..call(1) };
    let gone = TenantSnapshot {
        calls: vec![],
        agents: vec![agent(&[])],
        queued: calls(&[]),
        threads: calls(&[]),
        ..healthy()
    };
    let with = |fault, round, picture| (fault, round, picture);
    let table = [
        with(Fault::AgentOnMissingCall, 1, TenantSnapshot { agents: vec![agent(&[7])], ..gone.clone() }),
        with(
            Fault::AgentBusyAlone,
            1,
            TenantSnapshot { agents: vec![AgentSeen { busy: true, ..agent(&[]) }], ..gone.clone() },
        ),
        with(Fault::PhoneGone, 1, TenantSnapshot { phones: Some(HashSet::new()), ..gone.clone() }),
        with(
            Fault::EventMissing,
            1,
            TenantSnapshot { agents: vec![AgentSeen { told: Some((Token(1), Seq(3))), ..agent(&[]) }], ..gone.clone() },
        ),
        with(Fault::QueuedMissingCall, 1, TenantSnapshot { queued: calls(&[7]), ..gone.clone() }),
        with(Fault::ThreadOfMissingCall, 1, TenantSnapshot { threads: calls(&[7]), ..gone.clone() }),
        with(Fault::CallOrphaned, 3, TenantSnapshot { nodes: vec![node(2)], ..healthy() }),
        with(Fault::CallOverdue, 3, TenantSnapshot { calls: vec![overdue], ..healthy() }),
    ];
    for (fault, round, picture) in table {
        assert_eq!(confirmed(&picture, 6).first(), Some(&(round, fault)), "{fault:?}");
    }
}

#[test]
fn what_is_seen_once_is_never_repaired() {
    let mut auditor = Auditor::default();
    let odd = TenantSnapshot { agents: vec![agent(&[7])], ..healthy() };
    for round in 0..100_u32 {
        let picture = if round % 2 == 0 { &odd } else { &healthy() };
        assert_eq!(auditor.round(picture, START + ROUND * round), [], "round {round}");
    }
}

#[test]
fn the_same_fault_with_other_evidence_is_another_fault() {
    let mut auditor = Auditor::default();
    for round in 0..10_u32 {
        let call = u64::from(round) + 100;
        let picture = TenantSnapshot { agents: vec![agent(&[call])], ..healthy() };
        assert_eq!(auditor.round(&picture, START + ROUND * round), [], "a new call each time is a busy agent");
    }
}

#[test]
fn rounds_that_come_too_early_confirm_nothing() {
    let mut auditor = Auditor::default();
    let odd = TenantSnapshot { agents: vec![agent(&[7])], ..healthy() };
    for ms in (0..9_999).step_by(100) {
        assert_eq!(auditor.round(&odd, START + Duration::from_millis(ms)), []);
    }
    assert_eq!(auditor.next_round(), START + ROUND);
    assert_eq!(auditor.round(&odd, START + ROUND).len(), 1);
}

#[test]
fn a_repair_is_repeated_only_when_it_had_its_time() {
    let odd = TenantSnapshot { agents: vec![agent(&[7])], ..healthy() };
    let rounds: Vec<u64> = confirmed(&odd, 9).into_iter().map(|(round, _)| round).collect();
    assert_eq!(rounds, [1, 4, 7]);
}

#[test]
fn a_repair_goes_to_who_owns_what_is_wrong() {
    let mut auditor = Auditor::default();
    let orphan = CallSeen { owner: node(3), ..call(6) };
    let picture = TenantSnapshot { calls: vec![call(1), orphan], queued: calls(&[9]), ..healthy() };
    let mut found = Vec::new();
    for round in 0..4_u32 {
        found.extend(auditor.round(&picture, START + ROUND * round));
    }
    let to = |fault| found.iter().find(|finding| finding.fault == fault).map(|finding| finding.to.clone());
    assert_eq!(to(Fault::QueuedMissingCall), Some(RepairTarget::Routing));
    assert_eq!(to(Fault::CallOrphaned), Some(RepairTarget::Owner(node(2))), "a living node, the same one each time");
    assert_eq!(found.iter().filter(|f| f.subject == Subject::Call(ConnId(1))).count(), 0);
}

#[test]
fn without_leases_or_registrations_no_call_is_judged_by_them() {
    let picture = TenantSnapshot { nodes: Vec::new(), phones: None, ..healthy() };
    assert_eq!(confirmed(&picture, 1_000), []);
}

#[test]
fn a_call_with_a_timer_ahead_is_left_to_it() {
    let ringing = CallSeen { due: Some(START + Duration::from_secs(3_600)), ..call(1) };
    let picture = TenantSnapshot { calls: vec![ringing], ..healthy() };
    assert_eq!(confirmed(&picture, 100), []);
}

#[test]
fn a_call_without_any_event_for_a_day_is_stuck_counted_from_its_first_sight() {
    let rounds = SILENT.as_secs() / ROUND.as_secs();
    for last_event in [None, Some(START)] {
        let silent = TenantSnapshot { calls: vec![CallSeen { last_event, ..call(1) }], ..healthy() };
        assert_eq!(confirmed(&silent, rounds + 2), [(rounds + 1, Fault::CallSilent)]);
    }
}

#[test]
fn an_event_while_a_timer_runs_makes_it_no_shorter() {
    let mut auditor = Auditor::default();
    for round in 0..61 {
        let now = START + ROUND * round;
        // The timer is armed at the start; at 330 s data is attached to the call.
        let last_event = Some(if round < 33 { START } else { START + ROUND * 33 });
        let seen = CallSeen { due: Some(START + Duration::from_secs(600)), last_event, ..call(1) };
        let found = auditor.round(&TenantSnapshot { calls: vec![seen], ..healthy() }, now);
        assert!(found.is_empty(), "at {} s: {found:?}", round * 10);
    }
}

#[test]
fn clocks_that_are_apart_make_no_call_overdue() {
    let armed = |at: Timestamp| CallSeen { due: Some(at + Duration::from_secs(300)), last_event: Some(at), ..call(1) };
    let hour = Duration::from_secs(3_600);
    for owner_says in [Timestamp::from_micros(START.as_micros() - 3_600_000_000), START, START + hour] {
        let picture = TenantSnapshot { calls: vec![armed(owner_says)], ..healthy() };
        assert_eq!(confirmed(&picture, 31), [], "the timer has not run out");
        assert_eq!(confirmed(&picture, 40).first(), Some(&(33, Fault::CallOverdue)));
    }
}
