//! Capacity rules: how many calls routing gives an agent at a time.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::agents::baresip_agent;
use testkit::caller::Caller;
use testkit::facts::{connect, runtime, tenant_role};
use testkit::{Answer, Installation, Watch};

use crate::provisioning::{Client, batch, change, put, token};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

/// The agent of 7101 is to have so many calls at a time.
fn set_calls(site: &Installation, calls: u32) -> Result<()> {
    let boss = token(site, "tool/boss", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(site, 8888)).await?);
        let rule = json!({"name": "Several", "media": {"voice": calls}}).to_string();
        let agent = json!({"agent": {"capacity_rule": "Several"}}).to_string();
        let edits = vec![
            put("capacity_rule", "Several", None, &rule, &[]),
            put("person", "ada.adler", None, &agent, &["agent.capacity_rule"]),
        ];
        change(&mut client, &boss, batch(edits)).await??;
        anyhow::Ok(())
    })
}

#[test]
fn a_call_that_waits_for_a_busy_agent_rings_once_the_rule_allows_two_at_a_time() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut phone = baresip_agent(&site, 10, "7101", Answer::Manual)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let dial = |host: u8| Caller::dial(&site, "caller-when-told.xml", host, site.number("sales")?, &[]);
    let first = dial(1)?;
    watch.wait_for("Ringing@7101", LATER)?;
    phone.wait_for("CALL_INCOMING", SOON)?;
    phone.answer()?;
    let talks = watch.wait_for("Established@7101", LATER)?;

    // Without a rule it is one: the second call waits.
    let second = dial(2)?;
    let waits = watch.wait_for_count("Queued@sales", 2, LATER)?;
    assert_ne!(waits.text("ConnID"), talks.text("ConnID"));
    set_calls(&site, 2)?;
    let rings = watch.wait_for_count("Ringing@7101", 2, LATER)?;
    assert_eq!(rings.text("ConnID"), waits.text("ConnID"));
    let ended = watch.facts().iter().any(|fact| fact.brief() == "Released@7101");
    assert!(!ended, "the first call is still up");

    first.hang_up()?;
    first.finish(LATER)?.1.expect_success()?;
    phone.wait_for("CALL_CLOSED", SOON)?;
    phone.answer()?;
    watch.wait_for_count("Established@7101", 2, LATER)?;
    second.hang_up()?;
    second.finish(LATER)?.1.expect_success()?;
    watch.wait_for_count("CallDeleted", 2, LATER)?;
    site.is_at_rest()
}
