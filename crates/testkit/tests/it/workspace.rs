//! The published Workspace API: agents work by a client library of others, which knows nothing of us, and by plain HTTP.

mod browser_phone;
mod contacts;
mod day;
pub(crate) mod desk;
mod elsewhere;
mod failing_roles;
mod failover;
mod interactions;
mod notifications;
mod page;
mod page_softphone;
mod personal;
mod published_page;
mod rows;
mod schedule;
mod sessions;
mod supervising;
mod web_socket_notifications;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::{baresip_phone, sipp_phone, sipp_register};
use testkit::browser::SteppedScript;
use testkit::caller::Caller;
use testkit::facts::check_to_the_end;
use testkit::installation::DemoUser;
use testkit::{Answer, Endpoint, Installation, Watch};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
/// For a part of what an agent does, each step of which has its own patience.
const WALKED: Duration = Duration::from_secs(240);
/// The phone of the first agent of the demo, and two at which nobody is logged in.
const OWN: &str = "7101";
const OTHER: &str = "7130";
const THIRD: &str = "7131";
/// Whom the supervisor watches: the first agent, at that phone.
const WATCHED: &str = "ada.adler 7101";
/// Everything that the script does as `desk`, step by step.
const DESK: [&str; 44] = [
    "token",
    "initialize",
    "activate",
    "ready",
    "not-ready",
    "ready-again",
    "dnd-on",
    "dnd-off",
    "set-forward",
    "cancel-forward",
    "make-dialing",
    "make",
    "hold",
    "retrieve",
    "attach-user-data",
    "update-user-data",
    "delete-user-data-pair",
    "start-recording",
    "pause-recording",
    "resume-recording",
    "stop-recording",
    "send-dtmf",
    "current-session",
    "auth-keep-alive",
    "initiate-transfer-dialing",
    "initiate-transfer",
    "alternate",
    "alternate-back",
    "reconnect",
    "reconnected",
    "initiate-transfer-again-dialing",
    "initiate-transfer-again",
    "complete-transfer",
    "transferred",
    "make-again-dialing",
    "make-again",
    "initiate-conference-dialing",
    "initiate-conference",
    "complete-conference",
    "delete-from-conference",
    "release",
    "voice-logout",
    "voice-login",
    "logout",
];

/// An agent of the demo.
pub(crate) fn agent(site: &Installation, number: usize) -> Result<&DemoUser> {
    let mut agents = site.demo.users.iter().filter(|user| user.kind == "agent");
    agents.nth(number).with_context(|| format!("the demo has no agent {number}"))
}

/// The script at the desk of somebody.
fn at_work(work: &str, site: &Installation, web: &str, user: &DemoUser) -> Result<SteppedScript> {
    at_work_by("long-polling", work, site, web, user)
}

/// The same by a type of connection of Bayeux.
fn at_work_by(by: &str, work: &str, site: &Installation, web: &str, user: &DemoUser) -> Result<SteppedScript> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    let numbers = format!("{OTHER} {THIRD}");
    let mut told = vec![
        ("WORKSPACE_URL", web),
        ("WORKSPACE_CLIENT", client.id.as_str()),
        ("WORKSPACE_SECRET", client.secret.as_str()),
        ("WORKSPACE_USER", user.user.as_str()),
        ("WORKSPACE_PASSWORD", user.password.as_str()),
        ("WORKSPACE_NUMBERS", numbers.as_str()),
        ("WORKSPACE_WATCHED", WATCHED),
        ("WORKSPACE_BY", by),
    ];
    // By HTTPS with a certificate of its own making, the installation says what to trust.
    let authority = site.demo.webs_ca.as_deref().and_then(Path::to_str);
    told.extend(authority.map(|authority| ("NODE_EXTRA_CA_CERTS", authority)));
    SteppedScript::start("workspace.mjs", &[work], &told)
}

/// genesys-workspace-client-js, as it is published.
#[test]
fn a_client_library_of_others_does_all_that_an_agent_does() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let mut own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let mut third = baresip_phone(&site, 12, THIRD, Answer::Auto)?;
    let mut script = at_work("desk", &site, &site.demo.webs, user)?;
    script.comes_to("send-dtmf", WALKED)?;
    watch.wait_for("DtmfSent@7101", SOON)?;
    script.go_on()?;
    script.comes_to("reconnected", WALKED)?;
    third.wait_for("CALL_CLOSED", SOON)?;
    script.go_on()?;
    script.comes_to("transferred", WALKED)?;
    own.wait_for("CALL_CLOSED", SOON)?;
    // The two go on without the agent.
    ensure!(!third.has_seen("CALL_CLOSED")?, "who was consulted is gone");
    other.hang_up()?;
    third.wait_for("CALL_CLOSED", SOON)?;
    script.go_on()?;
    let said = script.finish(WALKED)?;
    let steps: Vec<&str> = said.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, DESK);
    watch.wait_for_count("AgentLogout@7101", 2, SOON)?;
    let log = site.log_lines().join("\n");
    for secret in site.demo.clients.iter().map(|client| &client.secret).chain([&user.password]) {
        ensure!(!log.contains(secret.as_str()), "a secret is in what was said");
    }
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_caller_of_a_queue_is_answered_from_the_desktop() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 1)?;
    let dn = user.dn.as_deref().context("the agent has no phone")?;
    let audio = Endpoint::listen(site.peer_address(10).into())?;
    sipp_register(&site, 10, dn)?;
    let phone = sipp_phone(&site, 10, "agent-talk.xml", &audio, &["-m", "1"])?;
    let mut script = at_work("inbound", &site, &site.demo.web, user)?;
    script.comes_to("waits-for-a-call", WALKED)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let talking = script.comes_to("talking", WALKED)?;
    let established = watch.wait_for(&format!("Established@{dn}"), SOON)?;
    let call = talking["call"].as_str().context("no call is named")?;
    ensure!(established.text("ConnID").starts_with(call), "{call} is {}", established.text("ConnID"));
    caller.hang_up()?;
    script.finish(WALKED)?;
    caller.finish(LATER)?.1.expect_success()?;
    phone.finish(LATER)?.expect_success()?;
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()
}
