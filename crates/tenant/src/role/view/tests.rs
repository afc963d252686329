use model::event::CallRef;
use model::{CallType, CallUuid, EventId, QueueName, Seq, TenantId, Token};

use super::*;

const CALL: ConnId = ConnId(7);

fn fact(subject: Subject, event: Event) -> Stamped {
    let id = EventId { subject, token: Token(1), seq: Seq(1) };
    let tenant = TenantId::parse("acme").unwrap();
    Stamped { id, tenant, at: Timestamp::from_millis(1), trace: None, event }
}

fn of_call(name: EventName, dn: &str) -> Event {
    let call = CallRef {
        conn_id: CALL,
        uuid: CallUuid(7),
        thread: CallUuid(7),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+15550100".to_owned()),
        dnis: Some("8000".to_owned()),
    };
    Event { call: Some(call), this_dn: Dn::parse(dn).ok(), ..Event::new(name) }
}

fn by_owner(name: EventName) -> Stamped {
    fact(Subject::Call(CALL), of_call(name, "8000"))
}

fn by_queue(name: EventName) -> Stamped {
    fact(Subject::Queue(QueueName::parse("VQ_Sales").unwrap()), of_call(name, "VQ_Sales"))
}

fn shown(view: &View) -> Vec<v1::CallStatus> {
    view.snapshot(Position::START, &SubscriptionFilter::default()).calls
}

#[test]
fn a_call_that_is_over_is_not_brought_back_by_what_its_queue_tells_of_it() {
    let mut view = View::default();
    view.fold(&by_owner(EventName::CallCreated));
    view.fold(&by_queue(EventName::Queued));
    let states: Vec<_> = shown(&view)[0].parties.iter().map(|party| (party.dn.clone(), party.state())).collect();
    assert_eq!(states, [("VQ_Sales".to_owned(), PartyState::Queued)]);
    view.fold(&by_owner(EventName::CallDeleted));
    view.fold(&by_queue(EventName::Queued));
    assert_eq!(shown(&view), []);
}

#[test]
fn user_data_are_those_of_the_calls_last_fact_also_if_there_are_none_left() {
    let mut view = View::default();
    let keys = |view: &View| shown(view)[0].user_data.clone().map_or(0, |data| data.pairs.len());
    let mut attached = by_owner(EventName::AttachedDataChanged);
    attached.event.user_data.set("note", "a");
    view.fold(&attached);
    assert_eq!(keys(&view), 1);
    view.fold(&by_queue(EventName::Queued));
    assert_eq!(keys(&view), 1, "a queue tells what it was told last");
    view.fold(&by_owner(EventName::AttachedDataChanged));
    assert_eq!(keys(&view), 0);
}
