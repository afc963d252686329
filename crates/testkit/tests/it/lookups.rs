//! What applications look up in the tenant's configuration, which values its attributes allow, and which reasons its agents have.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::caller::Caller;
use testkit::facts::{Fact, check_to_the_end, connect, runtime, tenant_role};
use testkit::{Answer, Installation, Watch, wait};

use crate::provisioning::{Client, batch, change, put, token};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

/// It looks again and again whether the list has the phone that the call's data want, and sends the call there.
const LOOKS_UP: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<scxml version="1.0" name="sales" initial="begin" datamodel="ecmascript"
  xmlns="http://www.w3.org/2005/07/scxml" xmlns:dialog="urn:trunkline:dialog" xmlns:ixn="urn:trunkline:interaction">
  <script>
    function phone() { return _genesys.list('Branches', 'north', 'phone'); }
    function isThere() { return phone() !== undefined; }
    function wanted() { return _genesys.ixn.interactions[_data.interactionid].udata.Wanted; }
  </script>
  <state id="begin">
    <transition event="interaction.present" target="looking"><dialog:playsound type="'music'" resource="'music'"/></transition>
  </state>
  <state id="looking">
    <onentry><send event="look" delay="500ms"/></onentry>
    <transition event="look" cond="isThere() &amp;&amp; phone() === wanted()" target="leaving"/>
    <transition event="look" target="looking"/>
  </state>
  <state id="leaving">
    <onentry><ixn:redirect to="phone()"/></onentry>
    <transition event="interaction.redirect.done error.interaction.redirect" target="done"/>
  </state>
  <final id="done"/>
</scxml>"#;

/// It looks again and again whether a schedule is there, and sends the call to one phone while it is open and to another one else.
const GOES_BY_HOURS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<scxml version="1.0" name="sales" initial="begin" datamodel="ecmascript"
  xmlns="http://www.w3.org/2005/07/scxml" xmlns:dialog="urn:trunkline:dialog" xmlns:ixn="urn:trunkline:interaction">
  <state id="begin">
    <transition event="interaction.present" target="looking"><dialog:playsound type="'music'" resource="'music'"/></transition>
  </state>
  <state id="looking">
    <onentry><send event="look" delay="500ms"/></onentry>
    <transition event="look" cond="_genesys.is_open('Office') !== undefined" target="leaving"/>
    <transition event="look" target="looking"/>
  </state>
  <state id="leaving">
    <onentry><ixn:redirect to="_genesys.is_open('Office') ? '7101' : '7102'"/></onentry>
    <transition event="interaction.redirect.done error.interaction.redirect" target="done"/>
  </state>
  <final id="done"/>
</scxml>"#;

/// Changes the example's file and imports it.
fn import(site: &Installation, from: &str, to: &str) -> Result<()> {
    site.import_changed(|files| changed(files, from, to))
}

fn changed(files: &Path, from: &str, to: &str) -> Result<()> {
    let file = files.join("example-tenant.yaml");
    let text = fs::read_to_string(&file)?;
    ensure!(text.contains(from), "the example has changed: {from}");
    Ok(fs::write(&file, text.replacen(from, to, 1))?)
}

/// The list says that the phone of the branch is this one.
fn set_phone(site: &Installation, dn: &str) -> Result<()> {
    let boss = token(site, "tool/boss", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(site, 8888)).await?);
        let json = json!({ "sections": { "north": { "phone": dn } } }).to_string();
        let edit = put("list", "Branches", None, &json, &["sections.north.phone"]);
        change(&mut client, &boss, batch(vec![edit])).await??;
        anyhow::Ok(())
    })
}

#[test]
fn a_call_goes_where_a_list_says_and_the_next_one_elsewhere_once_it_is_changed() -> Result<()> {
    let site = Installation::start()?;
    site.import_changed(|files| Ok(fs::write(files.join("applications/sales.scxml"), LOOKS_UP)?))?;
    // ors asks config for the application of each call.
    let config = SocketAddr::new(site.admin("config")?.ip(), 9_100);
    wait::until(LATER, || {
        let answer = site.http(config, "GET", "/tenants/example/applications/sales", "")?;
        Ok(answer.body.contains("isThere").then_some(()))
    })?;
    let watch = Watch::start(&site, "0-0")?;
    for (nth, (host, dn)) in (1..).zip([(10, "7101"), (11, "7102")]) {
        let mut phone = baresip_phone(&site, host, dn, Answer::Auto)?;
        let is_first = nth == 1;
        // The first call is there before the list has a phone at all: a session that runs sees the change.
        if !is_first {
            set_phone(&site, dn)?;
        }
        let caller = Caller::dial(&site, "caller-when-told.xml", nth as u8, site.number("sales")?, &[])?;
        let conn = watch.wait_for_count("RouteRequest@9000", nth, LATER)?.text("ConnID").to_owned();
        let wants = json!({"req": "TUpdateUserData", "ThisDN": "9000", "ConnID": conn, "UserData": {"Wanted": dn},
            "ReferenceID": nth});
        site.request(&wants)?;
        watch.answer_to(nth as u64, SOON)?;
        if is_first {
            set_phone(&site, dn)?;
        }
        let routed = watch.wait_for_count("RouteUsed@9000", nth, LATER)?;
        assert_eq!((routed.text("ConnID"), routed.text("ThirdPartyDN")), (&*conn, dn));
        phone.wait_for("CALL_ESTABLISHED", LATER)?;
        caller.hang_up()?;
        caller.finish(LATER)?.1.expect_success()?;
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// The office has these hours.
fn set_hours(site: &Installation, open: &[&str]) -> Result<()> {
    let boss = token(site, "tool/boss", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(site, 8888)).await?);
        let json = json!({"name": "Office", "time_zone": "Europe/Berlin", "open": open, "exceptions": []}).to_string();
        change(&mut client, &boss, batch(vec![put("schedule", "Office", None, &json, &[])])).await??;
        anyhow::Ok(())
    })
}

#[test]
fn a_call_goes_where_an_application_sends_it_while_a_schedule_is_open_or_closed() -> Result<()> {
    let site = Installation::start()?;
    site.import_changed(|files| Ok(fs::write(files.join("applications/sales.scxml"), GOES_BY_HOURS)?))?;
    let config = SocketAddr::new(site.admin("config")?.ip(), 9_100);
    wait::until(LATER, || {
        let answer = site.http(config, "GET", "/tenants/example/applications/sales", "")?;
        Ok(answer.body.contains("is_open").then_some(()))
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut phone = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("RouteRequest@9000", LATER)?.text("ConnID").to_owned();
    // The call is there before the schedule is.
    set_hours(&site, &["Mon-Sun 00:00-24:00"])?;
    let routed = watch.wait_for("RouteUsed@9000", LATER)?;
    assert_eq!((routed.text("ConnID"), routed.text("ThirdPartyDN")), (&*conn, "7101"));
    phone.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    phone.wait_for("CALL_CLOSED", SOON)?;

    let mut other = baresip_phone(&site, 11, "7102", Answer::Auto)?;
    set_hours(&site, &[])?;
    wait::until(LATER, || {
        let answer = site.http(config, "GET", "/tenants/example/schedules/Office", "")?;
        Ok((!answer.body.contains("24:00")).then_some(()))
    })?;
    // ors follows config as well, and has it soon after: a call that finds the hours of before goes to the other phone.
    let mut calls = 1;
    wait::until(LATER, || {
        calls += 1;
        let caller = Caller::dial(&site, "caller-when-told.xml", calls, site.number("sales")?, &[])?;
        let routed = watch.wait_for_count("RouteUsed@9000", usize::from(calls), LATER)?;
        let is_closed = routed.text("ThirdPartyDN") == "7102";
        let rings = if is_closed { &mut other } else { &mut phone };
        rings.wait_for("CALL_ESTABLISHED", LATER)?;
        caller.hang_up()?;
        caller.finish(LATER)?.1.expect_success()?;
        rings.wait_for("CALL_CLOSED", SOON)?;
        Ok(is_closed.then_some(()))
    })?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// The answer to a request that attaches a language: none if it is accepted.
fn refusal(site: &Installation, mut frame: Value, language: &str) -> Option<String> {
    frame["UserData"] = json!({ "Language": language });
    site.request(&frame).err().map(|error| format!("{error:#}"))
}

#[test]
fn an_enforced_attribute_refuses_other_user_data_and_calls_from_outside_begin_with_its_default() -> Result<()> {
    let site = Installation::start()?;
    let is_refused = |told: Option<String>| told.is_some_and(|told| told.contains("none of the values"));
    let nowhere = json!({"req": "TUpdateUserData", "ThisDN": "9000", "ConnID": "00000000000000ff"});
    ensure!(!is_refused(refusal(&site, nowhere.clone(), "Dutch")), "nothing is enforced unless the tenant says so");
    let values = "values: [{value: English}, {value: German}], default: English";
    import(&site, values, &format!("{values}, enforced: true, attach_default: true"))?;
    wait::until(LATER, || Ok(is_refused(refusal(&site, nowhere.clone(), "Dutch")).then_some(())))?;

    let watch = Watch::start(&site, "0-0")?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let come = watch.wait_for("RouteRequest@9000", LATER)?;
    assert_eq!(come.frame["UserData"]["Language"], "English", "the default");
    let conn = come.text("ConnID");
    let update =
        |reference: u64| json!({"req": "TUpdateUserData", "ThisDN": "9000", "ConnID": conn, "ReferenceID": reference});
    let make = json!({"req": "TMakeCall", "ThisDN": "7101", "OtherDN": "7102", "ReferenceID": 12});
    for frame in [update(11), make] {
        let told = refusal(&site, frame, "Dutch").unwrap_or_default();
        for part in [" 422 ", "UserData: Language", "Dutch", "English, German", "\"code\":53"] {
            ensure!(told.contains(part), "{part:?} is not in {told}");
        }
    }
    assert_eq!(refusal(&site, update(13), "German"), None);
    assert_eq!(watch.answer_to(13, SOON)?.frame["UserData"]["Language"], "German");
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()?;
    ensure!(watch.facts().iter().all(|fact| fact.frame["ReferenceID"] != 12), "a refused request makes no call");
    check_to_the_end(&site, &watch)
}

#[test]
fn a_reason_that_a_strict_tenant_does_not_have_is_refused() -> Result<()> {
    let site = Installation::start()?;
    let last = "  acw_in_idle_force_ready: true\n";
    import(&site, last, &format!("{last}  strict_action_codes: true\n"))?;
    let watch = Watch::start(&site, "0-0")?;
    site.request(&json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentWorkMode": "ManualIn", "ReferenceID": 1}))?;
    assert_eq!(watch.answer_to(1, SOON)?.brief(), "AgentLogin@7101");
    let mut reference = 1;
    let mut pauses = |reasons: Value| -> Result<Fact> {
        reference += 1;
        site.request(&json!({"req": "TAgentSetNotReady", "ThisDN": "7101", "AgentWorkMode": "AuxWork",
            "Reasons": reasons, "ReferenceID": reference}))?;
        watch.answer_to(reference, SOON)
    };
    // Until agent-state has read that the tenant is strict, each reason is taken.
    let refused = wait::until(LATER, || {
        let answer = pauses(json!({ "ReasonCode": "Dentist" }))?;
        Ok((answer.name == "EventError").then_some(answer))
    })?;
    assert_eq!(refused.frame["ErrorCode"], 53, "{:?}", refused.frame);
    let taken = pauses(json!({ "ReasonName": "lunch break" }))?;
    assert_eq!(taken.brief(), "AgentNotReady@7101");
    assert_eq!(taken.frame["Reasons"], json!({ "ReasonCode": "Lunch", "ReasonName": "Lunch break" }));
    Ok(())
}

#[test]
fn a_logout_has_reasons_of_its_own_and_a_reason_has_finer_ones() -> Result<()> {
    let site = Installation::start()?;
    let last = "  acw_in_idle_force_ready: true\n";
    let training = "{code: Training, name: Training, order: 2";
    let shift = "  - {code: Shift, name: End of the shift, action: logout}\n";
    site.import_changed(|files| {
        changed(files, last, &format!("{last}  strict_action_codes: true\n"))?;
        let finer = format!("  - {training}, subcodes: [{{code: P, name: A product}}]}}\n{shift}");
        changed(files, &format!("  - {training}}}\n"), &finer)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut reference = 0;
    let mut asks = |req: &str, mode: &str, reasons: Value| -> Result<Fact> {
        reference += 1;
        let mut frame = json!({"req": req, "ThisDN": "7101", "Reasons": reasons, "ReferenceID": reference});
        if !mode.is_empty() {
            frame["AgentWorkMode"] = json!(mode);
        }
        site.request(&frame)?;
        watch.answer_to(reference, SOON)
    };
    assert_eq!(asks("TAgentLogin", "ManualIn", json!({}))?.brief(), "AgentLogin@7101");
    // Until agent-state has read the tenant as it is now, a finer reason has no name.
    let whole =
        json!({"ReasonCode": "Training", "SubReasonCode": "P", "ReasonName": "Training", "SubReasonName": "A product"});
    wait::until(LATER, || {
        let answer =
            asks("TAgentSetNotReady", "AuxWork", json!({"ReasonCode": "Training", "SubReasonCode": "a product"}))?;
        Ok((answer.frame["Reasons"] == whole).then_some(()))
    })?;
    for (req, mode, reasons) in [
        ("TAgentSetNotReady", "AuxWork", json!({"ReasonCode": "Lunch", "SubReasonCode": "P"})),
        ("TAgentSetNotReady", "AuxWork", json!({"ReasonCode": "Shift"})),
        ("TAgentLogout", "", json!({"ReasonCode": "Lunch"})),
    ] {
        let refused = asks(req, mode, reasons)?;
        assert_eq!((&*refused.name, &refused.frame["ErrorCode"]), ("EventError", &json!(53)), "{:?}", refused.frame);
    }
    let gone = asks("TAgentLogout", "", json!({"ReasonCode": "end of the shift"}))?;
    assert_eq!(gone.brief(), "AgentLogout@7101");
    assert_eq!(gone.frame["Reasons"], json!({"ReasonCode": "Shift", "ReasonName": "End of the shift"}));
    Ok(())
}
