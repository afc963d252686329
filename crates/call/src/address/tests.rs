use model::event::CallRef;
use model::{CallUuid, DnRole};
use proptest::prelude::*;

use super::*;

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

fn event(name: EventName, conn_id: u64, at: &str) -> Event {
    let mut event = Event::new(name);
    event.call = Some(CallRef {
        conn_id: ConnId(conn_id),
        uuid: CallUuid(1),
        thread: CallUuid(1),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    });
    event.this_dn = Some(dn(at));
    event
}

fn after(events: &[Event]) -> Addresses {
    let mut addresses = Addresses::default();
    for (at, event) in (1..).zip(events) {
        addresses.fold(event, Timestamp::from_millis(at));
    }
    addresses
}

fn numbers(addresses: &Addresses, at: &str) -> Vec<(u64, u32)> {
    addresses.on(&dn(at)).map(|(conn_id, party)| (conn_id.0, party.number())).collect()
}

#[test]
fn each_state_has_its_published_number() {
    for (names, number) in [
        (&[EventName::Dialing][..], 0x1_0001),
        (&[EventName::Ringing], 0xa),
        (&[EventName::Ringing, EventName::Established], 0xc),
        (&[EventName::Established, EventName::Held], 0xe),
        (&[EventName::Established, EventName::Held, EventName::Retrieved], 0xc),
        (&[EventName::Dialing, EventName::DestinationBusy], 0xf),
        (&[EventName::Established, EventName::MuteOn], 0x2c),
        (&[EventName::Established, EventName::MuteOn, EventName::MuteOff], 0xc),
        (&[EventName::Established, EventName::ListenDisconnected], 0x1c),
        (&[EventName::Queued], 0x9),
        (&[EventName::Queued, EventName::RouteRequest, EventName::TreatmentApplied], 0xa09),
        (&[EventName::Queued, EventName::RouteRequest, EventName::TreatmentApplied, EventName::TreatmentEnd], 0x809),
    ] {
        let events: Vec<_> = names.iter().map(|name| event(*name, 5, "5001")).collect();
        assert_eq!(numbers(&after(&events), "5001"), [(5, number)], "{names:?}");
    }
}

#[test]
fn an_observer_is_shown_as_one() {
    let mut ringing = event(EventName::Ringing, 5, "5001");
    ringing.this_role = Some(DnRole::Observer);
    let established = Event { name: EventName::Established, ..ringing.clone() };
    let addresses = after(&[ringing, established]);
    let (_, party) = addresses.on(&dn("5001")).next().expect("a party");
    assert_eq!((party.number(), party.flags.names().collect::<Vec<_>>()), (0x8c, vec!["Audit"]));
}

#[test]
fn a_party_that_comes_from_a_consultation_is_in_the_call() {
    let mut moved = event(EventName::PartyChanged, 5, "5002");
    moved.call.as_mut().expect("a call").previous = Some(ConnId(6));
    moved.other_dn = Some("+15550100".to_owned());
    let events = [event(EventName::Established, 5, "5001"), event(EventName::Established, 6, "5002"), moved];
    let addresses = after(&events);
    assert_eq!(numbers(&addresses, "5002"), [(5, 0xc)]);
    assert_eq!(addresses.on(&dn("5002")).next().expect("a party").1.other_dn.as_deref(), Some("+15550100"));
}

#[test]
fn the_end_of_a_call_frees_whoever_is_still_counted() {
    let mut deleted = event(EventName::CallDeleted, 5, "5001");
    deleted.this_dn = None;
    let addresses = after(&[event(EventName::Established, 5, "5001"), event(EventName::Held, 5, "5002"), deleted]);
    assert_eq!((addresses.calls(), addresses.count), (0, 0));
}

#[test]
fn a_phone_is_in_service_while_it_is_registered() {
    let mut back = Event::new(EventName::DNBackInService);
    back.this_dn = Some(dn("5001"));
    let mut out = Event::new(EventName::DNOutOfService);
    out.this_dn = Some(dn("5001"));
    assert!(after(&[back.clone()]).is_in_service(&dn("5001")));
    assert!(!after(&[back, out]).is_in_service(&dn("5001")));
}

proptest! {
    /// Whatever happens in whatever order, every count agrees, and nothing is left of calls that are over.
    #[test]
    fn counts_agree(steps in prop::collection::vec((0usize..10, 1u64..4, 0usize..3), 0..80)) {
        use EventName as N;
        let names = [
            N::Dialing, N::Ringing, N::Established, N::Held, N::Retrieved, N::Queued, N::Released, N::Abandoned, N::PartyChanged,
            N::CallDeleted,
        ];
        let mut addresses = Addresses::default();
        for (at, (name, conn_id, place)) in (1..).zip(steps) {
            let mut event = event(names[name], conn_id, ["5001", "5002", "9000"][place]);
            if event.name == N::CallDeleted {
                event.this_dn = None;
            }
            if event.name == N::PartyChanged {
                event.call.as_mut().expect("a call").previous = Some(ConnId(conn_id % 3 + 1));
            }
            addresses.fold(&event, Timestamp::from_millis(at));
            let on_dns: usize = addresses.parties.values().map(BTreeMap::len).sum();
            let on_calls: usize = addresses.on.values().map(BTreeSet::len).sum();
            prop_assert_eq!((on_dns, on_calls), (addresses.count, addresses.count));
            prop_assert!(addresses.parties.values().all(|here| !here.is_empty()));
        }
        for conn_id in 1..4 {
            let mut deleted = event(N::CallDeleted, conn_id, "5001");
            deleted.this_dn = None;
            addresses.fold(&deleted, Timestamp::from_millis(100));
        }
        prop_assert_eq!((addresses.count, addresses.calls()), (0, 0));
    }
}
