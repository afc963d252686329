//! On the embedded stores, as the tests of agents.

use infra::{Loaded, Written};
use model::request::ForwardMode;
use model::{EventName, Subject};

use super::super::tests::Site;
use super::*;

fn dn(number: &str) -> Dn {
    Dn::parse(number).unwrap()
}

async fn stored(site: &Site, number: &str) -> PhoneSettings {
    phone_settings::read(&site.stores, &site.tenant, &dn(number)).await.unwrap().settings
}

#[tokio::test]
async fn what_is_set_is_stored_and_told_and_survives() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7101", RequestKind::SetDndOn).await;
    site.ask(&mut agents, "7101", RequestKind::SetForward(dn("7102"), ForwardMode::OnBusyAndNoAnswer)).await;
    site.ask(&mut agents, "7101", RequestKind::SetForward(dn("+4930"), ForwardMode::OnUnregistered)).await;
    let all = PhoneSettings {
        dnd: true,
        always: None,
        busy: Some(dn("7102")),
        no_answer: Some(dn("7102")),
        unregistered: Some(dn("+4930")),
    };
    assert_eq!(stored(&site, "7101").await, all);
    assert_eq!(stored(&site, "7102").await, PhoneSettings::default());
    drop(agents);
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7101", RequestKind::SetDndOff).await;
    assert_eq!(stored(&site, "7101").await, PhoneSettings { dnd: false, ..all });
    site.ask(&mut agents, "7101", RequestKind::CancelForward).await;
    assert_eq!(stored(&site, "7101").await, PhoneSettings::default());
    let story = site.story().await;
    let told: Vec<_> = story.iter().map(|fact| (fact.event.name, fact.event.other_dn.as_deref())).collect();
    use EventName::{DNDOff, DNDOn, ForwardCancel, ForwardSet};
    let expected = [
        (DNDOn, None),
        (ForwardSet, Some("7102")),
        (ForwardSet, Some("+4930")),
        (DNDOff, None),
        (ForwardCancel, Some("7102")),
    ];
    assert_eq!(told, expected);
    assert_eq!(story[1].event.extensions.text("ForwardMode"), Some("OnBusyAndNoAnswer"));
    for fact in &story {
        assert_eq!(fact.id.subject, Subject::Dn(dn("7101")));
        assert_eq!(fact.event.requester.as_deref(), Some("desk-of-anna"));
        assert_eq!(fact.event.reference.0, 17);
    }
    let mut tokens: Vec<_> = story.iter().map(|fact| fact.id.token).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), story.len(), "each has its own identity");
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_by_number() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "9000", RequestKind::SetDndOn).await;
    site.ask(&mut agents, "7101", RequestKind::SetForward(dn("7101"), ForwardMode::Unconditional)).await;
    let story = site.story().await;
    let codes: Vec<_> = story.iter().filter_map(|fact| fact.event.error.as_ref().map(|(code, _)| code.0)).collect();
    assert_eq!(codes, [59, 415]);
    let mode_none = RequestKind::SetForward(dn("7102"), ForwardMode::None);
    site.ask(&mut agents, "7101", mode_none).await;
    assert_eq!(site.names().await.last(), Some(&EventName::ForwardCancel));
}

#[tokio::test]
async fn a_query_tells_what_is_set_with_and_without_an_agent() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    for number in ["7101", "7103"] {
        site.ask(&mut agents, number, RequestKind::SetDndOn).await;
        site.ask(&mut agents, number, RequestKind::SetForward(dn("7102"), ForwardMode::SendAllCalls)).await;
        site.ask(&mut agents, number, RequestKind::QueryAddress).await;
        let story = site.story().await;
        let answer = &story.last().unwrap().event;
        assert_eq!(answer.name, EventName::AddressInfo, "{number}");
        assert_eq!(answer.extensions.get("DND"), Some(&model::Value::Int(1)));
        assert_eq!(answer.extensions.text("ForwardUnconditional"), Some("7102"));
        assert_eq!(answer.extensions.text("ForwardOnBusy"), None);
    }
}

#[tokio::test]
async fn a_refused_write_leaves_what_was_stored() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7101", RequestKind::SetDndOn).await;
    site.ask_too_much(&mut agents, RequestKind::SetDndOff).await;
    assert!(stored(&site, "7101").await.dnd);
    site.ask(&mut agents, "7101", RequestKind::QueryAddress).await;
    let story = site.story().await;
    let answer = &story.last().unwrap().event;
    assert_eq!(answer.extensions.get("DND"), Some(&model::Value::Int(1)));
    let refused = |fact: &&std::sync::Arc<model::Stamped>| fact.event.error.is_some();
    assert_eq!(story.iter().filter(refused).count(), 1, "who asked is told");
}

#[tokio::test]
async fn a_successor_fences_the_writes_of_the_former_owner() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7101", RequestKind::SetDndOn).await;
    site.clock.advance(infra::bounds::LEASE + std::time::Duration::from_millis(1));
    let mut successor = site.claim(2).await.unwrap();
    site.post(&mut agents, "7101", RequestKind::SetDndOff);
    let written = site.turn(&mut agents).await;
    assert!(written.iter().all(|written| matches!(written, Written::Fenced { .. })), "{written:?}");
    assert!(stored(&site, "7101").await.dnd);
    site.ask(&mut successor, "7101", RequestKind::SetDndOff).await;
    assert!(!stored(&site, "7101").await.dnd);
    let key = phone_settings::key(&dn("7101")).unwrap();
    assert!(matches!(site.stores.agents.load(&site.tenant, &key).await.unwrap(), Loaded::Live(_)));
}
