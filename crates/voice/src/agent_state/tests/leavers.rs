//! Agents whose person is no more: their records go, and nobody gets the identity of an event of theirs.

use std::collections::BTreeSet;

use super::*;

/// How long nobody is forgotten.
const A_WHILE: Duration = Duration::from_secs(60);

/// The people without anna.
fn without_anna() -> Arc<People> {
    let anna = Listed { kind: ObjectKind::Person, id: "anna".to_owned(), object: serde_json::Value::Null };
    let mut people = (*people()).clone();
    people.take(Changes { version: "1-2".to_owned(), whole: false, objects: Vec::new(), gone: vec![anna], next: None });
    Arc::new(people)
}

/// Time passes, and a turn comes.
async fn later(site: &Site, agents: &mut TenantAgents, by: Duration) {
    site.clock.advance(by);
    site.turn(agents).await;
}

async fn log_out(site: &Site, agents: &mut TenantAgents) {
    site.ask(agents, "7101", RequestKind::AgentLogout).await;
}

#[tokio::test]
async fn a_record_goes_a_while_after_the_last_logout_of_somebody_who_is_no_agent_any_more() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    site.clock.advance(Duration::from_secs(1));
    agents.people_changed(without_anna(), site.now());
    later(&site, &mut agents, 2 * A_WHILE).await;
    assert_eq!(site.state("a1").await, Some(AgentState::Ready), "who is logged in stays");
    log_out(&site, &mut agents).await;
    assert!(agents.next_timeout().is_some(), "somebody comes back to it");
    later(&site, &mut agents, A_WHILE).await;
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut), "its time is not in the reporting log yet");
    agents.all_intervals_are_safe();
    later(&site, &mut agents, A_WHILE / 2).await;
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut));
    later(&site, &mut agents, A_WHILE / 2).await;
    assert_eq!(site.state("a1").await, None);
    assert_eq!(agents.next_timeout(), None);
}

#[tokio::test]
async fn somebody_who_is_still_an_agent_or_is_one_again_stays() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    log_out(&site, &mut agents).await;
    later(&site, &mut agents, 2 * A_WHILE).await;
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut));
    agents.people_changed(without_anna(), site.now());
    later(&site, &mut agents, A_WHILE / 2).await;
    agents.people_changed(people(), site.now());
    later(&site, &mut agents, 2 * A_WHILE).await;
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut));
}

#[tokio::test]
async fn who_comes_back_under_the_name_of_a_forgotten_agent_repeats_no_identity() {
    for restarts in [false, true] {
        let site = Site::new();
        let mut agents = site.claim(1).await.unwrap();
        site.log_in(&mut agents).await;
        log_out(&site, &mut agents).await;
        agents.people_changed(without_anna(), site.now());
        site.turn(&mut agents).await;
        later(&site, &mut agents, A_WHILE).await;
        assert_eq!(site.state("a1").await, None);
        if restarts {
            agents = site.claim(1).await.unwrap();
        } else {
            agents.people_changed(people(), site.now());
        }
        site.log_in(&mut agents).await;
        assert_eq!(site.state("a1").await, Some(AgentState::Ready));
        let story = site.story().await;
        let a1 = Subject::Agent(AgentId::parse("a1").unwrap());
        let identities: Vec<_> =
            story.iter().filter(|told| told.id.subject == a1).map(|told| (told.id.token, told.id.seq)).collect();
        assert!(identities.len() >= 5, "{identities:?}");
        assert_eq!(identities.iter().collect::<BTreeSet<_>>().len(), identities.len(), "{identities:?}");
        assert!(identities.is_sorted(), "later events have later identities: {identities:?}");
    }
}

#[tokio::test]
async fn who_was_deleted_while_nobody_owned_the_agents_is_forgotten_by_the_next_owner() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    log_out(&site, &mut agents).await;
    let owner = owner(1);
    site.stores.leases.renew(&owner, SPEC.name, infra::bounds::LEASE).await.unwrap();
    let claimed = tenant_loop::claim(&site.stores, &site.tenant, &owner, &site.metrics, site.now()).await.unwrap();
    let mut agents = claimed.unwrap();
    agents.all_intervals_are_safe();
    later(&site, &mut agents, 2 * A_WHILE).await;
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut), "who is an agent is not known yet");
    agents.people_changed(without_anna(), site.now());
    site.turn(&mut agents).await;
    later(&site, &mut agents, A_WHILE).await;
    assert_eq!(site.state("a1").await, None);
}
