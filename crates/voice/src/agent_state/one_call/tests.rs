//! On the embedded stores, as the tests of agents. The phones of 7102 and 7103 have no call waiting.

use std::sync::Arc;

use infra::EventEntry;
use model::event::CallRef;
use model::{CallType, CallUuid, ConnId, Event, EventId, EventName, RequestKind, Seq, Stamped, Subject, Token};

use super::super::tests::Site;
use super::*;

/// A fact of call `conn_id` at a DN, the `seq`th of that call.
fn fact(site: &Site, name: EventName, conn_id: u64, dn: &str, seq: u64) -> EventEntry {
    let mut event = Event::new(name);
    event.call = Some(CallRef {
        conn_id: ConnId(conn_id),
        uuid: CallUuid(5),
        thread: CallUuid(5),
        previous: None,
        call_type: CallType::Internal,
        propagated_type: None,
        ani: None,
        dnis: None,
    });
    event.this_dn = Dn::parse(dn).ok();
    let id = EventId { subject: Subject::Call(ConnId(conn_id)), token: Token(1), seq: Seq(seq) };
    let at = site.stores.clock.now();
    let stamped = Stamped { id, tenant: site.tenant.clone(), at, trace: None, event };
    EventEntry { position: infra::Position { major: 0, minor: 1_000 + seq }, event: Arc::new(stamped), owner: None }
}

async fn is_noted(site: &Site, dn: &str) -> bool {
    phone_settings::read(&site.stores, &site.tenant, &Dn::parse(dn).unwrap()).await.unwrap().in_call
}

async fn tell(site: &Site, agents: &mut TenantAgents, name: EventName, conn_id: u64, dn: &str) -> usize {
    let entry = fact(site, name, conn_id, dn, 1);
    agents.observe(&[entry], site.stores.clock.now());
    site.turn(agents).await.len()
}

#[tokio::test]
async fn a_phone_without_call_waiting_is_noted_from_its_first_call_to_the_end_of_its_last() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    for (name, conn_id, noted) in [
        (EventName::Ringing, 5, true),
        (EventName::Established, 5, true),
        (EventName::Dialing, 6, true),
        (EventName::Released, 5, true),
        (EventName::Released, 6, false),
        (EventName::Ringing, 7, true),
        (EventName::CallDeleted, 7, false),
    ] {
        tell(&site, &mut agents, name, conn_id, "7102").await;
        assert_eq!(is_noted(&site, "7102").await, noted, "{name:?} of {conn_id}");
    }
}

#[tokio::test]
async fn a_phone_with_call_waiting_has_no_record_and_what_is_set_does_not_change_the_note() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    assert_eq!(tell(&site, &mut agents, EventName::Ringing, 5, "7101").await, 0, "nothing is written");
    tell(&site, &mut agents, EventName::Ringing, 6, "7102").await;
    site.ask(&mut agents, "7102", RequestKind::SetDndOn).await;
    site.ask(&mut agents, "7102", RequestKind::CancelForward).await;
    let kept = phone_settings::read(&site.stores, &site.tenant, &Dn::parse("7102").unwrap()).await.unwrap();
    assert!(kept.in_call && kept.settings.dnd, "{kept:?}");
}

#[tokio::test]
async fn a_successor_corrects_what_its_predecessor_has_noted() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    tell(&site, &mut agents, EventName::Ringing, 5, "7102").await;
    tell(&site, &mut agents, EventName::Ringing, 5, "7103").await;
    drop(agents);
    // There is no record of a call: it has ended meanwhile.
    let mut agents = site.claim(1).await.unwrap();
    site.turn(&mut agents).await;
    assert!(!is_noted(&site, "7102").await && !is_noted(&site, "7103").await);
}

#[tokio::test]
async fn a_refused_write_is_made_again() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7102", RequestKind::SetDndOn).await;
    let entry = fact(&site, EventName::Ringing, 5, "7102", 1);
    agents.observe(&[entry], site.stores.clock.now());
    // The note and the request are one write, which is too long for the store.
    site.ask_too_much_of(&mut agents, "7102", RequestKind::SetDndOff).await;
    let kept = async || phone_settings::read(&site.stores, &site.tenant, &Dn::parse("7102").unwrap()).await.unwrap();
    site.turn(&mut agents).await;
    assert!(!kept().await.in_call, "not at once: the store may refuse it again and again");
    let again_at = agents.next_timeout().expect("it is made again");
    site.clock.advance(again_at.since(site.stores.clock.now()));
    site.turn(&mut agents).await;
    let kept = kept().await;
    assert!(kept.in_call && kept.settings.dnd, "{kept:?}");
}
