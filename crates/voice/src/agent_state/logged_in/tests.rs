//! On the embedded stores, as the tests of agents.

use std::sync::Arc;
use std::time::Duration;

use contracts::configuration::{Changes, Listed};
use contracts::provisioning::{DialAction, DialRule, Object, ObjectKind, Spender};
use model::request::LoginPassword;
use model::{AgentId, RequestKind, WorkMode};

use super::super::people::People;
use super::super::tests::{Site, people};
use super::*;

/// The tenant with a rule about what is spent.
fn with_rule(per: Spender) -> Arc<People> {
    let action = DialAction::Limit { per, calls: Some(3), minutes: None };
    let rule = DialRule { name: "day".to_owned(), place: 0, pattern: "+.".to_owned(), action };
    let object = serde_json::from_slice(&Object::DialRule(rule).to_json()).unwrap();
    let objects = vec![Listed { kind: ObjectKind::DialRule, id: "day".to_owned(), object }];
    let mut people = People::clone(&people());
    let version = format!("1-{}", per.as_str());
    assert!(people.take(Changes { version, whole: false, objects, gone: Vec::new(), next: None }));
    Arc::new(people)
}

async fn noted(site: &Site, dn: &str) -> Option<String> {
    let kept = phone_settings::read(&site.stores, &site.tenant, &Dn::parse(dn).unwrap()).await.unwrap();
    kept.agent.map(|agent| agent.to_string())
}

async fn login(site: &Site, agents: &mut TenantAgents, dn: &str) {
    let agent = AgentId::parse("a1").ok();
    site.ask(agents, dn, RequestKind::AgentLogin(agent, WorkMode::AutoIn, LoginPassword::Absent)).await;
}

async fn changed(site: &Site, agents: &mut TenantAgents, people: Arc<People>) {
    agents.people_changed(people, site.stores.clock.now());
    site.turn(agents).await;
}

#[tokio::test]
async fn a_login_that_is_not_stored_is_not_noted() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    changed(&site, &mut agents, with_rule(Spender::Agent)).await;
    let kind = RequestKind::AgentLogin(AgentId::parse("a1").ok(), WorkMode::AutoIn, LoginPassword::Absent);
    site.ask_too_much(&mut agents, kind).await;
    site.clock.advance(Duration::from_secs(2));
    site.turn(&mut agents).await;
    assert_eq!(noted(&site, "7101").await, None);
    login(&site, &mut agents, "7101").await;
    site.ask_too_much(&mut agents, RequestKind::AgentLogout).await;
    site.clock.advance(Duration::from_secs(2));
    site.turn(&mut agents).await;
    assert_eq!(noted(&site, "7101").await.as_deref(), Some("a1"), "still logged in");
}

#[tokio::test]
async fn who_is_logged_in_is_noted_while_a_rule_limits_agents() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    login(&site, &mut agents, "7101").await;
    changed(&site, &mut agents, with_rule(Spender::Phone)).await;
    assert_eq!(noted(&site, "7101").await, None, "nobody asks");
    changed(&site, &mut agents, with_rule(Spender::Agent)).await;
    assert_eq!(noted(&site, "7101").await.as_deref(), Some("a1"));
    site.ask(&mut agents, "7101", RequestKind::AgentLogout).await;
    site.turn(&mut agents).await;
    assert_eq!(noted(&site, "7101").await, None);
    login(&site, &mut agents, "7103").await;
    site.turn(&mut agents).await;
    assert_eq!(noted(&site, "7103").await.as_deref(), Some("a1"), "at another phone");
    changed(&site, &mut agents, with_rule(Spender::Tenant)).await;
    assert_eq!(noted(&site, "7103").await, None, "nobody asks any more");
}
