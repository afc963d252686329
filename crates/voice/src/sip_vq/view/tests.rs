use model::{CallType, CallUuid, Dn, Event, TenantId};

use super::*;

fn call(conn_id: u64) -> CallRef {
    CallRef {
        conn_id: ConnId(conn_id),
        uuid: CallUuid(conn_id.into()),
        thread: CallUuid(conn_id.into()),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+15550123".to_owned()),
        dnis: Some("9000".to_owned()),
    }
}

/// A fact of a virtual queue about a stay of a call; the second at which it happened is also its number.
fn told(second: u64, name: EventName, queue: &str, stay: &str, conn_id: u64) -> Stamped {
    let mut event = Event { call: Some(call(conn_id)), this_dn: Dn::parse(queue).ok(), ..Event::new(name) };
    event.extensions.push(STAY, stay);
    event.user_data.push("Second", second.to_string());
    let subject = Subject::Queue(QueueName::parse(queue).unwrap());
    let id = EventId { subject, token: Token(2), seq: Seq(second) };
    let at = Timestamp::from_millis(second * 1_000);
    Stamped { id, tenant: TenantId::parse("t").unwrap(), at, trace: None, event }
}

/// Calls with the queues that they wait in, and since which second.
fn waiting(view: &QueueView) -> Vec<(u64, Vec<(String, u64)>)> {
    let of_call = |call: v1::CallStatus| {
        let parties = call.parties.into_iter().map(|party| (party.dn, party.since_us / 1_000_000));
        (call.call.unwrap().conn_id, parties.collect())
    };
    view.snapshot(Vec::new()).calls.into_iter().map(of_call).collect()
}

#[test]
fn a_call_waits_in_a_queue_until_it_is_distributed_or_abandoned() {
    let mut view = QueueView::default();
    for fact in [
        told(1, EventName::Queued, "sales", "r1", 1),
        told(2, EventName::Queued, "support", "r2", 1),
        told(3, EventName::Queued, "sales", "r3", 2),
    ] {
        assert!(view.fold(&fact));
    }
    let both = vec![("sales".to_owned(), 1), ("support".to_owned(), 2)];
    assert_eq!(waiting(&view), [(1, both), (2, vec![("sales".to_owned(), 3)])]);
    view.fold(&told(4, EventName::Diverted, "sales", "r1", 1));
    view.fold(&told(5, EventName::Abandoned, "sales", "r3", 2));
    assert_eq!(waiting(&view), [(1, vec![("support".to_owned(), 2)])]);
    let snapshot = view.snapshot(vec!["sales".to_owned()]);
    assert_eq!(snapshot.dns_in_service, ["sales"]);
    let known: Vec<_> = snapshot.known.into_iter().map(|id| wire::fact_id_from_wire(id).unwrap()).collect();
    assert!(known.contains(&told(5, EventName::Abandoned, "sales", "r3", 2).id), "{known:?}");
}

#[test]
fn two_requests_of_a_call_in_one_queue_are_one_party_until_both_are_gone() {
    let mut view = QueueView::default();
    view.fold(&told(1, EventName::Queued, "sales", "r1", 1));
    view.fold(&told(2, EventName::Queued, "sales", "r2", 1));
    view.fold(&told(3, EventName::Diverted, "sales", "r1", 1));
    assert_eq!(waiting(&view), [(1, vec![("sales".to_owned(), 2)])]);
    view.fold(&told(4, EventName::Diverted, "sales", "r2", 1));
    assert_eq!(waiting(&view), []);
}

#[test]
fn facts_that_a_row_contains_already_change_nothing_when_they_come_again() {
    let facts = [
        told(1, EventName::Queued, "sales", "r1", 1),
        told(2, EventName::Diverted, "sales", "r1", 1),
        told(3, EventName::Queued, "sales", "r1", 1),
    ];
    let stay = Stay {
        queue: QueueName::parse("sales").unwrap(),
        call: call(1),
        user_data: UserData::new(),
        since: Timestamp::from_millis(3_000),
    };
    let mut view = QueueView::begin(Position::START, [("r1".to_owned(), stay)]);
    for fact in &facts {
        view.fold(fact);
    }
    assert_eq!(waiting(&view), [(1, vec![("sales".to_owned(), 3)])]);
    let call = view.snapshot(Vec::new()).calls.remove(0);
    let data = wire::user_data_from_wire(call.user_data).unwrap();
    assert_eq!(data.text("Second"), Some("3"), "with the data that were told last");
}

#[test]
fn facts_of_calls_are_not_those_of_virtual_queues() {
    let mut view = QueueView::default();
    let mut fact = told(1, EventName::Queued, "9000", "r1", 1);
    fact.id.subject = Subject::Call(ConnId(1));
    assert!(!view.fold(&fact));
    assert_eq!(view.len(), 0);
}
