//! Rows between roles, each proven by what it carries: the bytes of a content grow on its sockets in the kernel's table, and the other side
//! knows what only this row could tell it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, baresip_phone, sipp_phone};
use testkit::caller::{Caller, prompt_samples};
use testkit::wallboard::Wallboard;
use testkit::{Answer, Endpoint, Fact, Installation, Sipp, Watch, kernel, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
const CONFIGURATION: u16 = 8_888;
const EVENTS: u16 = 8_000;
const SALES: &str = "9000";
/// Bytes of user data attached to a call: more than two idle roles exchange in a minute.
const USER_DATA: usize = 48 * 1_024;
/// Bytes of the smallest REGISTER and of its smallest answer.
const SIP_MESSAGE: u64 = 200;

/// What an import adds: a phone with its password, a number that leads to it, and a carrier with which its trunk registers.
const NEW_PHONE: &str = "7199";
const NEW_PASSWORD: &str = "brand-new-1";
const NEW_NUMBER: &str = "+15550199";
/// The last octets of the addresses of that phone and that carrier.
const DESK: u8 = 10;
const CARRIER: u8 = 30;

/// Bytes of all open connections of one role to a port of another: sent and received by the role that opened them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

pub(crate) fn carried(site: &Installation, from: &str, to: &str, port: u16) -> Result<Bytes> {
    let (from, to) = (site.admin(from)?.ip(), SocketAddr::new(site.admin(to)?.ip(), port));
    let all = kernel::connections(site.pid())?;
    let of_row = all.iter().filter(|socket| role_of(socket.local.ip()) == role_of(from) && socket.remote == to);
    Ok(of_row.fold(Bytes { sent: 0, received: 0 }, |sum, socket| Bytes {
        sent: sum.sent + socket.sent,
        received: sum.received + socket.received,
    }))
}

/// The address of a role without its replica.
fn role_of(ip: IpAddr) -> Option<[u8; 3]> {
    let IpAddr::V4(ip) = ip else { return None };
    let [net, instance, role, _] = ip.octets();
    Some([net, instance, role])
}

/// Attaches long data to a call that waits for an agent.
fn attach(site: &Installation, call: &Fact) -> Result<Value> {
    let data = json!({ "Note": "x".repeat(USER_DATA) });
    let conn_id = call.text("ConnID");
    site.request(&json!({"req": "TAttachUserData", "ThisDN": SALES, "ConnID": conn_id, "UserData": data}))?;
    Ok(data)
}

/// A caller who waits for an agent, with the fact that says so.
fn waiting(site: &Installation, watch: &Watch) -> Result<(Caller, Fact)> {
    let mut caller = Caller::dial(site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    // A caller without audio would be checked for being alive, which SIPp does not expect.
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(10), media)?;
    site.metric_becomes("rq", "rq_requests_open", 1.0, LATER)?;
    let queued = watch.wait_for("Queued@sales", SOON)?;
    Ok((caller, queued))
}

/// An agent comes, gets the waiting call and ends it.
fn answered_and_ended(site: &Installation, caller: Caller) -> Result<()> {
    let mut agent = baresip_agent(site, 10, "7101", Answer::Auto)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()
}

/// own-16 and voice-39: what a program asks for goes whole from the web edge to frontend, and from there to the node that owns the call.
#[test]
fn a_request_goes_from_the_web_edge_by_frontend_to_the_calls_owner() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let (caller, queued) = waiting(&site, &watch)?;
    let rows = [("own-16", "ingress", "frontend", 9_101), ("voice-39", "frontend", "sip-cluster", 11_300)];
    let before = rows.iter().map(|(_, from, to, port)| carried(&site, from, to, *port)).collect::<Result<Vec<_>>>()?;
    let data = attach(&site, &queued)?;
    let is_it = |fact: &Fact| fact.name == "EventAttachedDataChanged" && fact.frame["UserData"]["Note"] == data["Note"];
    wait::until(LATER, || Ok(watch.facts().iter().any(is_it).then_some(()))).context("the owner has not done it")?;
    // The owner's answer may come after the fact.
    for ((id, from, to, port), before) in rows.iter().zip(before) {
        let mut now = before;
        wait::until(SOON, || {
            now = carried(&site, from, to, *port)?;
            let has_sent = now.sent >= before.sent + u64::try_from(USER_DATA)?;
            Ok((has_sent && now.received > before.received).then_some(()))
        })
        .with_context(|| format!("{id}: {before:?}, then {now:?}"))?;
    }
    answered_and_ended(&site, caller)
}

/// voice-25: rq puts a call's data into its queue's facts, and has them from the call's owner alone.
#[test]
fn rq_gets_the_details_of_a_waiting_call_from_its_owner() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let (caller, queued) = waiting(&site, &watch)?;
    ensure!(queued.frame["UserData"]["Note"].is_null(), "{:?}", queued.frame);
    let before = carried(&site, "sip-cluster", "rq", 12_100)?;
    ensure!(before.sent > 0 && before.received > 0, "{before:?}");
    let data = attach(&site, &queued)?;
    let mut now = before;
    wait::until(LATER, || {
        now = carried(&site, "sip-cluster", "rq", 12_100)?;
        Ok((now.sent >= before.sent + u64::try_from(USER_DATA)? && now.received > before.received).then_some(()))
    })
    .with_context(|| format!("the data are not sent: {before:?}, now {now:?}"))?;

    answered_and_ended(&site, caller)?;
    let diverted = watch.wait_for("Diverted@sales", SOON)?;
    ensure!(diverted.id.starts_with("queue:"), "it is not rq's: {}", diverted.id);
    ensure!(diverted.frame["UserData"]["Note"] == data["Note"], "rq does not know the data: {:?}", diverted.frame);
    Ok(())
}

/// voice-02, and with it tenant-02 (8888) and tenant-03 (8000).
#[test]
fn pulse_gets_the_configuration_and_the_events_of_a_tenant() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let board = Wallboard::listen(&site, None)?;
    let is_named = |agents: &BTreeMap<String, Value>, name: &str| {
        agents.get("1001").is_some_and(|row| row.to_string().contains(name))
    };
    board.becomes("a row of Ada", SOON, |shown| is_named(&shown.agents, "Ada").then_some(()))?;
    let before = carried(&site, "pulse", "tenant", CONFIGURATION)?;
    ensure!(before.sent > 0 && before.received > 0, "8888: {before:?}");
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains("first_name: Ada\n"), "the example's people have changed");
        Ok(std::fs::write(&file, text.replacen("first_name: Ada\n", "first_name: Adelheid\n", 1))?)
    })?;
    board.becomes("the new name", LATER, |shown| is_named(&shown.agents, "Adelheid").then_some(()))?;
    let after = carried(&site, "pulse", "tenant", CONFIGURATION)?;
    ensure!(after.received > before.received, "8888: {before:?}, then {after:?}");

    let (caller, queued) = waiting(&site, &watch)?;
    board.becomes("a call that waits", LATER, |shown| (shown.queues[SALES]["waiting"] == 1).then_some(()))?;
    let before = carried(&site, "pulse", "tenant", EVENTS)?;
    ensure!(before.sent > 0 && before.received > 0, "8000: {before:?}");
    attach(&site, &queued)?;
    let mut now = before;
    wait::until(LATER, || {
        now = carried(&site, "pulse", "tenant", EVENTS)?;
        Ok((now.received >= before.received + u64::try_from(USER_DATA)?).then_some(()))
    })
    .with_context(|| format!("the fact has not come on 8000: {before:?}, now {now:?}"))?;
    answered_and_ended(&site, caller)?;
    board.becomes("an answered call", SOON, |shown| (shown.queues[SALES]["answered"] == 1).then_some(()))
}

/// voice-26: config answers with the revision that tenant has published; another answer is not counted.
#[test]
fn tenant_is_told_by_config_what_it_serves() -> Result<()> {
    let site = Installation::start()?;
    let served = || site.metric("tenant", "tenant_configuration_served_total");
    wait::until(LATER, || Ok((served()? > 0.0).then_some(()))).context("config has served nothing")?;
    let (checks, before) = (served()?, carried(&site, "tenant", "config", 9_100)?);
    ensure!(before.sent > 0 && before.received > 0, "{before:?}");
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(&file, text.replacen("wrap_up_s: 1\n", "wrap_up_s: 2\n", 1))?)
    })?;
    // The first may have been under way; the second is asked after the change was published.
    wait::until(LATER, || Ok((served()? >= checks + 2.0).then_some(()))).context("config does not serve the change")?;
    site.metric_becomes("tenant", "tenant_configuration_behind_seconds", 0.0, SOON)?;
    let after = carried(&site, "tenant", "config", 9_100)?;
    ensure!(after.received > before.received, "{before:?}, then {after:?}");
    Ok(())
}

/// own-03: sip-vq knows the names of virtual queues in which nothing waits from config alone.
#[test]
fn sip_vq_is_told_by_config_which_virtual_queues_there_are() -> Result<()> {
    let site = Installation::start()?;
    let named = || -> Result<Vec<String>> {
        Ok(Watch::of(&site, ("sip-vq", 1), Default::default())?.snapshot()?.dns_in_service)
    };
    wait::until(SOON, || Ok(named()?.iter().any(|name| name == "sales").then_some(())))
        .context("the virtual queues are not known")?;
    let before = carried(&site, "sip-vq", "config", 9_100)?;
    ensure!(before.sent > 0 && before.received > 0, "{before:?}");
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains("queues: [sales, support]"), "the example's queues have changed");
        Ok(std::fs::write(&file, text.replacen("queues: [sales,", "queues: [vip, sales,", 1))?)
    })?;
    wait::until(LATER, || Ok(named()?.iter().any(|name| name == "vip").then_some(())))
        .context("the new virtual queue is not known")?;
    let after = carried(&site, "sip-vq", "config", 9_100)?;
    ensure!(after.received > before.received, "{before:?}, then {after:?}");
    Ok(())
}

/// own-01: a phone's REGISTER reaches registrar by the connection that registrar has opened, and the answer goes back on it.
#[test]
fn a_phones_register_goes_to_registrar_and_its_answer_comes_back() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let before = carried(&site, "registrar", "sip-proxy", 5_080)?;
    // It is registered when it has its 200.
    let phone = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let told = watch.wait_for("DNBackInService@7101", SOON)?;
    ensure!(told.id.starts_with("dn:"), "it is not registrar's: {}", told.id);
    let after = carried(&site, "registrar", "sip-proxy", 5_080)?;
    let (sent, received) = (after.sent.saturating_sub(before.sent), after.received.saturating_sub(before.received));
    ensure!(received >= SIP_MESSAGE && sent >= SIP_MESSAGE, "{before:?}, then {after:?}");
    drop(phone);
    Ok(())
}

fn import_new(site: &Installation) -> Result<()> {
    let at = site.peer_address(CARRIER);
    let new = [
        ("\nphones:\n", format!("  - {{number: \"{NEW_PHONE}\", password: {NEW_PASSWORD}}}\n")),
        ("\nnumbers:\n", format!("  - {{number: \"{NEW_NUMBER}\", name: new, dn: \"{NEW_PHONE}\"}}\n")),
        (
            "\ntrunks:\n",
            format!(
                "  - {{name: new, allow: [], contact: \"{at}:5060\", prefix: \"+999\", user: account-1, \
                 password: {NEW_PASSWORD}, register: true}}\n"
            ),
        ),
    ];
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let mut text = std::fs::read_to_string(&file)?;
        for (section, line) in &new {
            ensure!(text.contains(section), "the example has no {section:?}");
            text = text.replacen(section, &format!("{section}{line}"), 1);
        }
        Ok(std::fs::write(&file, text)?)
    })
}

/// The requests of the last call that sip-proxy has sent to a node, by their methods, once that has been told of the end.
fn requests_to(site: &Installation, node: &str) -> Result<Vec<String>> {
    let told = wait::until(SOON, || {
        let told = super::trace::trace(site, &["--last"])?;
        let messages = told["ladder"]["messages"].as_array().context("no messages")?;
        let to_node = messages.iter().filter(|message| message["from"] == "sip-proxy-1" && message["to"] == node);
        let requests = to_node.filter(|message| message["status"].is_null());
        let methods: Vec<String> = requests.filter_map(|one| Some(one["method"].as_str()?.to_owned())).collect();
        Ok(methods.iter().any(|method| method == "BYE").then_some(methods))
    });
    told.with_context(|| format!("{node} is not told of the end"))
}

/// voice-22, voice-23 and voice-32: dialplan, sip-proxy and registrar know a number, a phone's digest and a carrier from config alone. voice-27,
/// voice-51 and voice-58: a call to that number goes where dialplan says, by the connections that sip-cluster and media have opened.
#[test]
fn a_call_uses_what_config_has_told_and_goes_by_the_connections_of_the_nodes() -> Result<()> {
    let site = Installation::start()?;
    let told = [("voice-22", "dialplan"), ("voice-23", "sip-proxy"), ("voice-32", "registrar")];
    let from_config = || told.iter().map(|(_, role)| carried(&site, role, "config", 9_100)).collect::<Result<Vec<_>>>();
    Caller::dial(&site, "caller-refused-404.xml", 1, NEW_NUMBER, &[])?.finish(SOON)?.1.expect_success()?;
    let before = from_config()?;
    let at = site.peer_address(CARRIER);
    let (of_carrier, route) = (Endpoint::listen(at.into())?, format!("<sip:{at};lr>"));
    // It takes the removal, too.
    let arguments = ["-m", "2", "-key", "route", &route];
    let carrier = sipp_phone(&site, CARRIER, "carrier-registers.xml", &of_carrier, &arguments)?;
    import_new(&site)?;
    site.metric_becomes("registrar", "registrar_trunks_registered", 1.0, LATER)?;
    ensure!(carrier.traces("_messages.log").contains("REGISTER sip:"), "the carrier has got no REGISTER");
    wait::until(LATER, || {
        let by_digest = Sipp::new("register.xml", site.peer_address(DESK), &site.sip())
            .with(&["-key", "user", NEW_PHONE, "-au", NEW_PHONE, "-ap", NEW_PASSWORD])
            .calls(1, 1, 1)
            .run(SOON)?;
        Ok(by_digest.expect_success().ok())
    })
    .context("sip-proxy does not know the digest of the new phone")?;

    let audio = Endpoint::listen(site.peer_address(DESK).into())?;
    let phone = sipp_phone(&site, DESK, "agent.xml", &audio, &["-m", "1"])?;
    let nodes = [("voice-51", "sip-cluster"), ("voice-58", "media")];
    let by_nodes =
        || nodes.iter().map(|(_, role)| carried(&site, role, "sip-proxy", 5_080)).collect::<Result<Vec<_>>>();
    let resolved = || site.metric("dialplan", "dialplan_numbers_resolved_total");
    let (first, asked, signalled) = (resolved()?, carried(&site, "sip-cluster", "dialplan", 8_800)?, by_nodes()?);
    Caller::dial(&site, "caller.xml", 1, NEW_NUMBER, &["-d", "1000"])?.finish(LATER)?.1.expect_success()?;
    phone.finish(SOON)?.expect_success().context("the call has not come to the new phone")?;

    for ((id, _), (before, after)) in told.iter().zip(before.iter().zip(from_config()?)) {
        ensure!(after.received > before.received, "{id}: {before:?}, then {after:?}");
    }
    let answered = carried(&site, "sip-cluster", "dialplan", 8_800)?;
    let has_asked = answered.sent >= asked.sent + NEW_NUMBER.len() as u64 && answered.received > asked.received;
    ensure!(has_asked && resolved()? > first, "voice-27: {asked:?}, then {answered:?}");
    // The bytes are counted once each node has been told of the end.
    let requests =
        nodes.iter().map(|(_, role)| requests_to(&site, &format!("{role}-1"))).collect::<Result<Vec<_>>>()?;
    let counted = signalled.iter().zip(by_nodes()?);
    for (((id, _), requests), (before, after)) in nodes.iter().zip(requests).zip(counted) {
        ensure!(requests.iter().any(|method| method == "INVITE"), "{id}: {requests:?}");
        let received = after.received.saturating_sub(before.received);
        let sent = after.sent.saturating_sub(before.sent);
        let least = SIP_MESSAGE * requests.len() as u64;
        ensure!(received >= least && sent >= SIP_MESSAGE, "{id}: {requests:?} in {before:?}, then {after:?}");
    }
    // Its registration is removed at the end, while the carrier is still there.
    drop(site);
    drop(carrier);
    Ok(())
}
