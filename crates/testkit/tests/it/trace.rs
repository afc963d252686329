//! Calls explained: `trunkline trace` on calls of SIPp and baresip.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::caller::{CALLER, Caller, prompt_samples};
use testkit::{Answer, Installation, installation, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The exit code for an unknown call.
const UNKNOWN: i32 = 10;

fn run(site: &Installation, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(installation::binary()?);
    command.arg("trace").args(arguments).args(["--instance", &site.demo.instance.to_string(), "--data-dir"]);
    Ok(command.arg(site.data_dir()).output()?)
}

/// The document of a call.
pub(super) fn trace(site: &Installation, arguments: &[&str]) -> Result<Value> {
    let output = run(site, &[arguments, &["--json"]].concat())?;
    ensure!(output.status.success(), "trace: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The latest call, once it is over and its audio statistics are complete.
pub(super) fn of_ended(site: &Installation, arguments: &[&str]) -> Result<Value> {
    let whole = |trace: &Value| {
        let legs = trace["media"].as_array().map_or(&[][..], Vec::as_slice);
        trace["call"]["endedAt"].is_number() && legs.iter().all(|leg| leg["measured"] == true)
    };
    wait::until(SOON, || Ok(Some(trace(site, arguments)?).filter(&whole)))
}

fn rows<'a>(trace: &'a Value, pointer: &str) -> Result<&'a Vec<Value>> {
    trace.pointer(pointer).and_then(Value::as_array).with_context(|| format!("no list at {pointer}: {trace:#}"))
}

fn findings(trace: &Value) -> Result<String> {
    Ok(rows(trace, "/verdict/findings")?
        .iter()
        .map(|finding| format!("{}: {}\n", finding["severity"], finding["text"]))
        .collect())
}

#[test]
fn a_routed_call_is_explained_from_its_invite_to_its_end() -> Result<()> {
    let site = Installation::start()?;
    let mut agent = baresip_agent(&site, 10, "7121", Answer::Auto)?;
    agent.dial("*52")?;
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("support")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    // Each is to have sent some seconds of audio.
    let (of_caller, of_agent) = (agent.heard_bytes(), caller.audio.received().samples.len());
    wait::until(LATER, || {
        let by_agent = agent.heard_bytes() > of_caller + 6 * 16_000;
        Ok((by_agent && caller.audio.received().samples.len() > of_agent + 6 * 8_000).then_some(()))
    })?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    let trace = of_ended(&site, &["--last", "--from", "01"])?;

    the_ladder_is_whole(&site, &trace)?;
    the_decision_names_everybody(&trace)?;
    the_application_tells_its_steps(&trace)?;
    audio_is_measured_both_ways(&trace)?;
    let story = rows(&trace, "/verdict/summary")?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    for words in ["called", "route point", "7121 answered", "The caller hung up.", "Audio passed"] {
        ensure!(story.contains(words), "{words:?} is not in {story}");
    }
    ensure!(!findings(&trace)?.contains("fault"), "{}", findings(&trace)?);
    ensure!(rows(&trace, "/missing")?.is_empty(), "{}", trace["missing"]);

    each_of_its_names_finds_it(&site, &trace)?;
    numbers_are_masked_and_secrets_are_gone(&site)?;
    pages_get_the_same(&site, &trace)?;
    let page = String::from_utf8(run(&site, &["--last", "--from", "01"])?.stdout)?;
    ensure!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    ensure!(page.contains("-- SIP") && page.contains("-- Audio") && page.contains("-- Routing"), "{page}");
    Ok(())
}

/// Every hop has its request before its answer; the first and last message are the caller's.
fn the_ladder_is_whole(site: &Installation, trace: &Value) -> Result<()> {
    let messages = rows(trace, "/ladder/messages")?;
    let caller = format!("{}:5060", site.peer_address(1));
    let first = messages.first().context("no messages")?;
    ensure!(first["method"] == "INVITE" && first["from"] == caller.as_str() && first["to"] == "sip-proxy-1", "{first}");
    let mut asked: Vec<(&Value, &Value, &Value, &Value)> = Vec::new();
    let mut before = 0.0;
    for message in messages {
        let at = message["at"].as_f64().context("at")?;
        ensure!(at >= before, "out of order: {message}");
        before = at;
        let (call_id, method) = (&message["callId"], &message["method"]);
        if message["status"].is_null() {
            asked.push((call_id, method, &message["from"], &message["to"]));
        } else {
            let request = (call_id, method, &message["to"], &message["from"]);
            ensure!(asked.contains(&request), "an answer before its request: {message}");
        }
    }
    for (method, from, to) in [
        ("INVITE", "sip-proxy-1", "sip-cluster-1"),
        ("INVITE", "sip-proxy-1", "media-1"),
        ("ACK", caller.as_str(), "sip-proxy-1"),
        ("BYE", caller.as_str(), "sip-proxy-1"),
        ("BYE", "sip-proxy-1", "media-1"),
    ] {
        let is = |message: &Value| message["method"] == method && message["from"] == from && message["to"] == to;
        ensure!(messages.iter().any(is), "no {method} from {from} to {to}");
    }
    Ok(())
}

fn the_decision_names_everybody(trace: &Value) -> Result<()> {
    let decisions = rows(trace, "/routing")?;
    let offered = decisions.iter().find(|decision| decision["step"] == "offered").context("no decision")?;
    ensure!(offered["dn"] == "7121" && offered["rule"].is_string(), "{offered}");
    let candidates = rows(offered, "/candidates")?;
    ensure!(
        candidates.first().is_some_and(|first| first["agent"] == offered["agent"] && first["text"] == "chosen"),
        "{offered}"
    );
    let others = candidates.get(1..).unwrap_or_default();
    ensure!(others.len() >= 3 && others.iter().all(|other| other["passedOver"].is_string()), "{offered}");
    ensure!(others.iter().any(|other| other["text"] == "does not have the skills"), "{offered}");
    ensure!(others.iter().any(|other| other["text"] == "is not logged in"), "{offered}");
    Ok(())
}

fn the_application_tells_its_steps(trace: &Value) -> Result<()> {
    let steps = rows(trace, "/application/steps")?;
    let has = |step: &str, name: &str| steps.iter().position(|s| s["step"] == step && s["name"] == name);
    let submitted = has("action", "queue.submit").context("no queue.submit")?;
    let done = has("event", "queue.submit.done").context("no queue.submit.done")?;
    ensure!(submitted < done && steps.iter().any(|step| step["step"] == "state"), "{steps:?}");
    let routed = rows(trace, "/requests")?
        .iter()
        .find(|r| r["name"].as_str().is_some_and(|n| n.starts_with("TRouteCall to 7121")));
    ensure!(
        routed.is_some_and(
            |r| r["outcome"] == "accepted" && r["requester"].as_str().is_some_and(|r| r.starts_with("ors"))
        ),
        "{}",
        trace["requests"]
    );
    Ok(())
}

fn audio_is_measured_both_ways(trace: &Value) -> Result<()> {
    let legs = rows(trace, "/media")?;
    ensure!(legs.len() == 2, "{legs:#?}");
    for leg in legs {
        let packets = |way: &str| leg[way]["packets"].as_u64().unwrap_or_default();
        ensure!(packets("fromPhone") > 100 && packets("toPhone") > 100, "{leg:#}");
        ensure!(leg["codec"] == "PCMU" || leg["codec"] == "PCMA", "{leg:#}");
        // baresip sends from another of the host's addresses than it describes.
        let as_offered = leg["offered"] == leg["learned"] || leg["caller"] == false;
        ensure!(as_offered && leg["learned"].is_string() && leg["firstPacketAt"].is_number(), "{leg:#}");
        ensure!(leg["fromPhone"]["mos"].as_f64().is_some_and(|mos| mos > 3.0), "{leg:#}");
        ensure!(leg["fromPhone"]["lost"] == 0, "{leg:#}");
    }
    ensure!(legs[0]["caller"] == true && legs[1]["party"] == "7121", "{legs:#?}");
    Ok(())
}

fn each_of_its_names_finds_it(site: &Installation, whole: &Value) -> Result<()> {
    let call_id = whole["ladder"]["messages"][0]["callId"].as_str().context("callId")?;
    let of = |key: &str| whole["call"][key].as_str().context("a name");
    for name in [of("connId")?, of("printed")?, of("uuid")?, call_id] {
        let trace = trace(site, &[name])?;
        ensure!(trace["call"]["connId"] == whole["call"]["connId"], "by {name}");
        ensure!(rows(&trace, "/ladder/messages")?.len() == rows(whole, "/ladder/messages")?.len(), "by {name}");
    }
    Ok(())
}

fn numbers_are_masked_and_secrets_are_gone(site: &Installation) -> Result<()> {
    let masked = trace(site, &["--last", "--from", "01"])?.to_string();
    let digits = CALLER.trim_start_matches('+');
    ensure!(!masked.contains(digits) && masked.contains("***01"), "masked");
    ensure!(!masked.contains(site.number("support")?.trim_start_matches('+')), "what was dialled is masked, too");
    let guessed = run(site, &["--last", "--from", "9001"])?;
    ensure!(guessed.status.code() == Some(UNKNOWN), "a number that is not shown is not found by its digits");
    let whole = trace(site, &["--last", "--from", "9001", "--numbers"])?.to_string();
    ensure!(whole.contains(digits), "in full");
    let said: Value = serde_json::from_slice(&std::fs::read(site.data_dir().join("demo.json"))?)?;
    let secrets = said["people"].as_array().context("people")?.iter().filter_map(|person| person["password"].as_str());
    let tokens = site.demo.tokens.values().map(String::as_str);
    // The phone's own call to the code carries its credentials.
    let login = trace(site, &["--last", "--from", "7121", "--numbers"])?.to_string();
    ensure!(login.contains("Proxy-Authorization:***"), "the phone was asked for its password");
    for secret in secrets.chain(tokens).chain(["eyJ", "Digest username", "nonce=\\\"x"]) {
        ensure!(!whole.contains(secret) && !login.contains(secret), "{secret} is in a trace");
    }
    Ok(())
}

/// ingress returns the same document to authorised clients.
fn pages_get_the_same(site: &Installation, whole: &Value) -> Result<()> {
    let call = whole["call"]["connId"].as_str().context("connId")?;
    let path = format!("/api/operations/v1/example/traces/{call}");
    let (status, body) = get(site, &path, site.demo.tokens.get("operator"))?;
    let same: Value = serde_json::from_str(&body).with_context(|| format!("{status} {body}"))?;
    ensure!(
        same["ladder"]["messages"].as_array().map(Vec::len) == whole["ladder"]["messages"].as_array().map(Vec::len),
        "{same:#}"
    );
    let dialled = site.number("support")?.trim_start_matches('+');
    ensure!(body.contains(dialled), "an operator may see numbers: {body}");
    let (status, masked) = get(site, &path, site.demo.tokens.get("traces"))?;
    ensure!(status == 200 && !masked.contains(dialled), "{status} {masked}");
    ensure!(get(site, &path, site.demo.tokens.get("wallboard"))?.0 == 403, "a token without the scope");
    ensure!(get(site, &path, None)?.0 == 401);
    ensure!(get(site, "/api/operations/v1/nobody/traces", site.demo.tokens.get("operator"))?.0 == 403);
    let token = |name: &str| site.demo.tokens.get(name);
    let (status, list) = get(site, "/api/operations/v1/example/traces?limit=5", token("operator"))?;
    ensure!(status == 200 && list.contains(call), "{list}");
    ensure!(get(site, "/api/operations/v1/example/traces/nothing", site.demo.tokens.get("operator"))?.0 == 404);
    let list = |from: &str| get(site, &format!("/api/operations/v1/example/traces?from={from}"), token("traces"));
    ensure!(
        list("01")?.1.contains(call) && !list("9001")?.1.contains(call),
        "numbers cannot be guessed by their digits"
    );
    Ok(())
}

/// A dialog refused before its tenant was known is visible to the installation's operator, not to a tenant.
#[test]
fn a_dialog_that_is_nobodys_is_shown_to_no_tenant() -> Result<()> {
    let site = Installation::start()?;
    let phone = UdpSocket::bind((site.peer_address(3), 0))?;
    phone.set_read_timeout(Some(SOON))?;
    let (address, sip) = (phone.local_addr()?, site.sip());
    let invite = format!(
        "INVITE sip:7102@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-nobodys;rport\r\nFrom: \
         <sip:7101@{sip}>;tag=a\r\nTo: <sip:7102@{sip}>\r\nCall-ID: nobodys@phone\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:7101@{address}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    phone.send_to(invite.as_bytes(), &sip)?;
    let mut answer = [0; 2_000];
    let length = phone.recv(&mut answer)?;
    ensure!(answer.get(..length).is_some_and(|it| it.starts_with(b"SIP/2.0 407")), "it is asked for its password");
    let shown = trace(&site, &["nobodys@phone", "--tenant", "example"])?;
    ensure!(!rows(&shown, "/ladder/messages")?.is_empty(), "{shown:#}");
    let page = get(&site, "/api/operations/v1/example/traces/nobodys@phone", site.demo.tokens.get("operator"))?;
    ensure!(page.0 == 404, "{page:?}");
    Ok(())
}

fn get(site: &Installation, path: &str, token: Option<&String>) -> Result<(u16, String)> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "10", "--write-out", "\n%{http_code}"]);
    if let Some(token) = token {
        command.args(["-H", &format!("authorization: Bearer {token}")]);
    }
    let output = command.arg(format!("{}{path}", site.demo.web)).output().context("curl")?;
    let said = String::from_utf8(output.stdout)?;
    let (body, status) = said.rsplit_once('\n').context("no status")?;
    Ok((status.trim().parse()?, body.to_owned()))
}

#[test]
fn a_caller_who_is_never_heard_is_named_with_the_address_that_should_be_looked_at() -> Result<()> {
    let site = Installation::start()?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let address = caller.audio.address;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    // It is reported while the call is up.
    wait::until(SOON, || {
        let now = findings(&trace(&site, &["--last", "--from", "01"])?)?;
        Ok(now.contains("no packet ever arrived from the caller's address").then_some(()))
    })?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let trace = of_ended(&site, &["--last", "--from", "01"])?;
    let expected = format!("no packet ever arrived from the caller's address {address}: its firewall or NAT drops it");
    let first = &rows(&trace, "/verdict/findings")?[0];
    ensure!(
        first["severity"] == "fault" && first["text"].as_str().is_some_and(|text| text.contains(&expected)),
        "{}",
        findings(&trace)?
    );
    Ok(())
}

#[test]
fn keys_that_a_caller_presses_are_counted_and_never_kept() -> Result<()> {
    let site = Installation::start()?;
    let mut caller = baresip_phone(&site, 11, "7130", Answer::Manual)?;
    caller.dial(site.number("menu")?)?;
    caller.wait_for("CALL_ESTABLISHED", SOON)?;
    // Wait until media hears the phone and digits are awaited: an earlier key leaves no trace.
    wait::until(LATER, || {
        let now = trace(&site, &["--last", "--from", "7130"])?;
        let heard = now.pointer("/media/0/fromPhone/packets").and_then(Value::as_u64).unwrap_or_default() > 10;
        let asked = now["requests"].to_string().contains(": collect up to");
        Ok((heard && asked).then_some(()))
    })?;
    caller.digit('2')?;
    let pressed = |trace: &Value| {
        let events = trace["events"].as_array().map_or(&[][..], Vec::as_slice);
        events.iter().any(|event| event["digits"] == 1)
    };
    let trace = wait::until(LATER, || Ok(Some(trace(&site, &["--last", "--from", "7130"])?).filter(&pressed)))?;
    let messages = rows(&trace, "/ladder/messages")?;
    let told: Vec<&str> =
        messages.iter().filter_map(|m| m["text"].as_str()).filter(|t| t.contains("dtmf.digits</name>")).collect();
    ensure!(!told.is_empty(), "media tells the call's owner");
    ensure!(told.iter().all(|text| text.contains("dtmf.digits</name><value>***</value>")), "{told:?}");
    let steps = rows(&trace, "/application/steps")?;
    ensure!(steps.iter().all(|step| !step["text"].as_str().unwrap_or_default().contains("digits=2")), "{steps:?}");
    caller.hang_up()
}

#[test]
fn a_call_that_is_forgotten_or_never_was_is_said_to_be_so() -> Result<()> {
    let site = Installation::start_with(&["--set", "trace.age=3s"])?;
    let never = run(&site, &["00700392f1a4c001", "--tenant", "example"])?;
    ensure!(never.status.code() == Some(UNKNOWN), "{never:?}");
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?, media)?;
    let call = trace(&site, &["--last"])?["call"]["connId"].as_str().context("connId")?.to_owned();
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let gone =
        wait::until(LATER, || Ok(Some(run(&site, &[&call, "--tenant", "example"])?).filter(|o| !o.status.success())))?;
    let words = String::from_utf8_lossy(&gone.stderr).into_owned();
    ensure!(gone.status.code() == Some(UNKNOWN) && words.contains("no role remembers a call"), "{words}");
    site.metric_becomes("sip-proxy", "trace_calls", 0.0, SOON)?;
    site.metric_becomes("sip-proxy", "trace_bytes", 0.0, SOON)
}

#[test]
fn after_a_crash_a_trace_shows_what_is_known_and_says_what_is_not() -> Result<()> {
    let site = Installation::start()?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    let before = trace(&site, &["--last"])?;
    let call = before["call"]["connId"].as_str().context("connId")?.to_owned();
    let site = site.crash_and_restart()?;
    let heard = caller.audio.received().samples.len();
    wait::until(LATER, || Ok((caller.audio.received().samples.len() > heard + 8_000).then_some(())))?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let after = of_ended(&site, &[&call])?;
    ensure!(
        after["call"]["uuid"] == before["call"]["uuid"] && after["call"]["beganAt"] == before["call"]["beganAt"],
        "{after:#}"
    );
    ensure!(rows(&after, "/ladder/messages")?.iter().any(|message| message["method"] == "BYE"), "{after:#}");
    let missing = rows(&after, "/missing")?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
    ensure!(missing.contains("the call's owner failed during the call"), "{missing}");
    ensure!(missing.contains("sip-proxy-1 remembers only from"), "{missing}");
    Ok(())
}

/// `trunkline trace --follow`, and its output so far.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    /// Starts it and waits until it follows.
    fn start(site: &Installation, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(installation::binary()?)
            .args(["trace", "--follow", "--json"])
            .args(arguments)
            .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
            .arg(site.data_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut says = BufReader::new(child.stderr.take().context("no stderr")?);
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (told, printed) = (Arc::clone(&lines), child.stdout.take().context("no stdout")?);
        std::thread::spawn(move || {
            for line in BufReader::new(printed).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut first = String::new();
        says.read_line(&mut first)?;
        ensure!(first.contains("following every new call"), "{first}");
        // The program must not end because its output is not read any further.
        std::thread::spawn(move || std::io::copy(&mut says, &mut std::io::sink()));
        Ok(Self { child, lines })
    }

    fn wait_for(&self, kind: &str, words: &str) -> Result<Value> {
        let fits =
            |line: &&Value| line["kind"] == kind && line["text"].as_str().is_some_and(|text| text.contains(words));
        let found = || Ok(self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().find(fits).cloned());
        wait::until(SOON, found).with_context(|| format!("no {kind} with {words:?}"))
    }
}

#[test]
fn what_happens_is_printed_while_it_happens_until_ctrl_c() -> Result<()> {
    let site = Installation::start()?;
    let mut follower = Follower::start(&site, &[])?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?, media)?;
    let invite = follower.wait_for("sip", "INVITE +SDP")?;
    follower.wait_for("event", "EventCallCreated")?;
    follower.wait_for("audio", "the first packet of caller")?;
    let told = trace(&site, &["--last"])?;
    ensure!(told["call"]["endedAt"].is_null(), "all of that was printed before the call was over: {}", told["call"]);
    ensure!(invite["call"] == told["call"]["connId"] && invite["at"].is_number(), "{invite}");
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    follower.wait_for("verdict", "The caller hung up.")?;
    let lines = follower.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let created =
        lines.iter().filter(|line| line["text"].as_str().is_some_and(|text| text.contains("EventCallCreated")));
    assert_eq!(created.count(), 1, "each thing is printed once: {lines:#?}");
    ensure!(lines.iter().all(|line| !line.to_string().contains(CALLER)), "numbers are masked");

    // The latest call only, which is over: the command ends by itself.
    let last = run(&site, &["--last", "--follow"])?;
    let said = String::from_utf8(last.stdout)?;
    ensure!(last.status.success() && said.contains("verdict") && said.contains("INVITE +SDP"), "{said}");
    testkit::process::signal(follower.child.id(), "INT")?;
    let code = wait::until(SOON, || Ok(follower.child.try_wait()?))?;
    assert_eq!(code.code(), Some(0), "Ctrl-C ends it");
    Ok(())
}
