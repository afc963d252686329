//! Administrators edit what calls use while these run: their number and its business hours, route point, application and queue, the agent
//! and the agent's phone. No call fails, and each reader of the configuration acts by the new one: sip-proxy, dialplan, rq, agent-state and
//! ors, shown by what they do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, sipp_agent};
use testkit::caller::sipp;
use testkit::facts::{connect, runtime, tenant_role};
use testkit::process::signal;
use testkit::sipp::Running;
use testkit::{Answer, Caller, Endpoint, Installation, Sipp, Watch, wait};

use crate::provisioning::{Client, batch, change, put, token};
use crate::sign_in::forgeries::CONFIGURATION;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(120);
/// More calls, and more turns of edits, than there is time for: both go on until the test has seen enough.
const CALLS_MAX: u32 = 100_000;
const TURNS_MAX: u64 = 10_000;
/// Calls to the echo that begin each second, how many there are at a time, and how long each talks, in ms.
const ECHO: (u32, u32, &str) = (5, 30, "3000");
/// Those to an agent: as long as the welcome and some words with the agent.
const SALES: (u32, u32, &str) = (1, 1, "6000");
/// Calls that the agent has answered at least, and turns of edits beside calls: fewer are no load.
const ANSWERED_MIN: usize = 2;
const TURNS_MIN: u64 = 50;
/// The agent of the load, at this phone, and the application by which the calls come there.
const AGENT: (&str, &str) = ("ben.brook", "7102");
const APPLICATION: &str = include_str!("../../../../data/applications/sales.scxml");
/// Between two turns: the load is to be steady, not to be all that the machine can do.
const PAUSE: Duration = Duration::from_millis(50);
/// A phone that is not in the example.
const NEW_PHONE: &str = "7299";
const PASSWORD: &str = "slow-brown-teapot";
/// A number with business hours, which leads to the echo, and to a phone that nobody has while it is closed.
const NUMBER: &str = "+15550198";

/// One who edits from a thread of its own, until it is told to end.
struct Editor {
    made: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

/// The edits of a turn, of all that the calls use, each with another value than before: the number of the echo, its hours, the route point
/// of sales with its queue and its application, the agent and the agent's phone.
fn turn(number: u64, echo: &str) -> Vec<contracts::v1::ChangeObject> {
    let day = format!("2035-01-{:02} closed", 1 + number % 28);
    let hours = json!({ "name": "Load", "open": ["Mon-Sun 00:00-24:00"], "exceptions": [day] });
    let closed_dn = if number.is_multiple_of(2) { "9004" } else { "7204" };
    let skills = json!([{ "skill": "Sales", "level": 5 + number % 2 }]);
    let agent =
        json!({ "last_name": format!("Edit {number}"), "agent": { "skills": skills, "wrap_up_s": number % 2 } });
    let noted = json!({ "user_properties": { "Load": { "edit": number.to_string() } } });
    let document = json!({ "document": format!("{APPLICATION}<!-- {number} -->") });
    let (user, phone) = AGENT;
    let merge =
        |kind: &str, id: &str, document: &Value, fields: &[&str]| put(kind, id, None, &document.to_string(), fields);
    vec![
        merge("schedule", "Load", &hours, &[]),
        merge("number", echo, &json!({ "schedule": "Load", "closed_dn": closed_dn }), &["schedule", "closed_dn"]),
        merge("dn", "9000", &json!({ "service_level_s": 20 + number % 20 }), &["service_level_s"]),
        merge("dn", "sales", &noted, &["user_properties"]),
        merge("application", "sales", &document, &["document"]),
        merge("person", user, &agent, &["last_name", "agent.skills", "agent.wrap_up_s"]),
        merge("dn", phone, &json!({ "no_answer_s": 10 + number % 20 }), &["no_answer_s"]),
    ]
}

impl Editor {
    fn start(place: SocketAddr, token: String, echo: String) -> Self {
        let (made, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, heard) = (made.clone(), is_over.clone());
        let edits = move || {
            runtime()?.block_on(async {
                let mut client = Client::new(connect(place).await?);
                for number in 0..TURNS_MAX {
                    if heard.load(Ordering::SeqCst) {
                        break;
                    }
                    change(&mut client, &token, batch(turn(number, &echo))).await??;
                    counted.fetch_add(1, Ordering::SeqCst);
                    // Not a wait for a condition.
                    let _ = wait::until(PAUSE, || Ok(None::<()>));
                }
                anyhow::Ok(())
            })
        };
        Self { made, is_over, thread: std::thread::spawn(edits) }
    }

    /// How many turns there are by now.
    fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// How many turns there were.
    fn end(self) -> Result<u64> {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| anyhow!("the editor panicked"))??;
        Ok(self.made.load(Ordering::SeqCst))
    }
}

/// An administrator who edits one thing after the other, to see what comes of it.
struct Administrator {
    place: SocketAddr,
    token: String,
}

impl Administrator {
    fn puts(&self, kind: &str, id: &str, document: &Value, fields: &[&str]) -> Result<()> {
        let edit = put(kind, id, None, &document.to_string(), fields);
        runtime()?.block_on(async {
            let mut client = Client::new(connect(self.place).await?);
            change(&mut client, &self.token, batch(vec![edit])).await??;
            anyhow::Ok(())
        })
    }
}

/// Whether a call from outside to [`NUMBER`] is answered.
fn is_answered(site: &Installation, audio: &Endpoint) -> Result<bool> {
    let call = sipp(site, "caller.xml", 2, audio).dial(NUMBER).calls(1, 1, 1).with(&["-d", "100"]);
    Ok(call.run(LATER)?.code == 0)
}

/// sip-proxy: a phone that is new registers.
fn a_new_phone_registers(site: &Installation, boss: &Administrator) -> Result<()> {
    let registers = || {
        let phone = Sipp::new("register.xml", site.peer_address(3), &site.sip())
            .with(&["-key", "user", NEW_PHONE, "-au", NEW_PHONE, "-ap", PASSWORD]);
        Ok::<_, anyhow::Error>(phone.calls(1, 1, 1).run(SOON)?.code == 0)
    };
    ensure!(!registers()?, "{NEW_PHONE} is in the example");
    let phone = json!({ "number": NEW_PHONE, "type": "extension", "password": PASSWORD });
    boss.puts("dn", NEW_PHONE, &phone, &[])?;
    wait::until(LATER, || Ok(registers()?.then_some(()))).context("sip-proxy does not know the new phone")
}

/// dialplan: a number that is new leads to its DN, and elsewhere once it is closed.
fn a_number_opens_and_closes(site: &Installation, boss: &Administrator) -> Result<()> {
    let audio = Endpoint::listen(site.peer_address(2).into())?;
    ensure!(!is_answered(site, &audio)?, "{NUMBER} is in the example");
    let hours = |open: &[&str]| json!({ "name": "Hours", "open": open, "exceptions": [] });
    let number = json!({ "number": NUMBER, "name": "hours", "dn": "9003", "schedule": "Hours", "closed_dn": "7204" });
    boss.puts("schedule", "Hours", &hours(&["Mon-Sun 00:00-24:00"]), &[])?;
    boss.puts("number", NUMBER, &number, &[])?;
    wait::until(LATER, || Ok(is_answered(site, &audio)?.then_some(()))).context("dialplan does not open the number")?;
    boss.puts("schedule", "Hours", &hours(&[]), &[])?;
    wait::until(LATER, || Ok((!is_answered(site, &audio)?).then_some(()))).context("dialplan does not close the number")
}

/// agent-state: somebody who is new logs in, and nobody by that code before.
fn a_new_agent_logs_in(site: &Installation, boss: &Administrator, watch: &Watch) -> Result<()> {
    let mut reference = 500;
    let mut logs_in = || {
        reference += 1;
        let login = json!({"req": "TAgentLogin", "ThisDN": "7130", "AgentID": "9901", "ReferenceID": reference});
        site.request(&login)?;
        Ok::<_, anyhow::Error>(watch.answer_to(reference, SOON)?.name == "EventAgentLogin")
    };
    ensure!(!logs_in()?, "9901 is in the example");
    let agent = json!({ "id": "9901", "login_code": "9901", "skills": [{ "skill": "English", "level": 1 }] });
    let person = json!({ "user_name": "new.agent", "first_name": "New", "last_name": "Agent", "agent": agent });
    boss.puts("person", "new.agent", &person, &[])?;
    wait::until(LATER, || Ok(logs_in()?.then_some(()))).context("agent-state does not know the new agent")
}

/// rq: a call that waits goes to the agent who gets the skill. ors: the next calls are served by the route point's other application.
fn skills_and_applications_count(site: &Installation, boss: &Administrator) -> Result<()> {
    let mut agent = baresip_agent(site, 10, "7101", Answer::Auto)?;
    let waiting = Caller::dial(site, "caller-when-told.xml", 4, site.number("support")?, &[])?;
    site.metric_becomes("rq", "rq_requests_open", 1.0, LATER).context("nobody with the skill is there")?;
    ensure!(!agent.has_seen("CALL_ESTABLISHED")?, "the agent has no such skill yet");
    let skills = |names: &[&str]| {
        let skills: Vec<Value> = names.iter().map(|name| json!({ "skill": name, "level": 5 })).collect();
        json!({ "agent": { "skills": skills } })
    };
    boss.puts("person", "ada.adler", &skills(&["Sales", "Support", "English"]), &["agent.skills"])?;
    agent.wait_for("CALL_ESTABLISHED", LATER).context("rq does not know the new skills")?;
    waiting.hang_up()?;
    waiting.finish(LATER)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;

    // Without the skill again, and by the application of sales.
    boss.puts("person", "ada.adler", &skills(&["Sales"]), &["agent.skills"])?;
    boss.puts("dn", "9001", &json!({ "application": "sales" }), &["application"])?;
    wait::until(LATER, || {
        let caller = Caller::dial(site, "caller-when-told.xml", 5, site.number("support")?, &[])?;
        // Either waits for the skill, in the application of before, or is with the agent.
        let is_with_agent = wait::until(LATER, || {
            let is_there = agent.has_seen("CALL_ESTABLISHED")?;
            let waits = site.metric("rq", "rq_requests_open").is_ok_and(|open| open > 0.0);
            Ok((is_there || waits).then_some(is_there))
        })?;
        caller.hang_up()?;
        caller.finish(LATER)?.1.expect_success()?;
        Ok(is_with_agent.then_some(()))
    })
    .context("ors does not know the other application")
}

/// Calls to a number that go on until [`hang_up_all`].
pub(crate) fn load(
    site: &Installation,
    host: u8,
    audio: &Endpoint,
    number: &str,
    how: (u32, u32, &str),
) -> Result<Running> {
    let (rate, at_once, talk_ms) = how;
    let callers = sipp(site, "caller.xml", host, audio).dial(number);
    callers.calls(CALLS_MAX, rate, at_once).with(&["-d", talk_ms]).start()
}

/// Nobody calls any more, and who does goes on to the end: every call was answered, lasted and ended as its caller wanted.
pub(crate) fn hang_up_all(mut callers: Running, what: &str) -> Result<()> {
    if !callers.has_ended()? {
        signal(callers.pid(), "USR1")?;
        return callers.finish(LATER)?.expect_success().with_context(|| format!("a call to {what}"));
    }
    callers.finish(LATER)?.expect_success()?;
    bail!("the calls to {what} were over before the edits")
}

/// The agent of the load takes no more calls, once the last one is over.
fn logs_out(site: &Installation, watch: &Watch) -> Result<()> {
    let mut reference = 700;
    wait::until(LATER, || {
        reference += 1;
        site.request(&json!({ "req": "TAgentLogout", "ThisDN": AGENT.1, "ReferenceID": reference }))?;
        Ok((watch.answer_to(reference, SOON)?.name == "EventAgentLogout").then_some(()))
    })
    .context("the agent of the load does not log out")
}

#[test]
fn edits_under_load_cost_no_call_and_every_reader_acts_by_them() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let (place, token) =
        (tenant_role(&site, CONFIGURATION), token(&site, "tool/boss", &["config:read", "config:write"])?);
    let audio = [1, 6, 11].map(|host| Endpoint::listen(site.peer_address(host).into()));
    let [of_echo, of_sales, of_agent] = audio;
    let (of_echo, of_sales, of_agent) = (of_echo?, of_sales?, of_agent?);
    let agent = sipp_agent(&site, 11, AGENT.1, "agent.xml", &of_agent, &["-d", "100"])?;
    let echo = load(&site, 1, &of_echo, site.number("echo")?, ECHO)?;
    let sales = load(&site, 6, &of_sales, site.number("sales")?, SALES)?;
    let editor = Editor::start(place, token.clone(), site.number("echo")?.to_owned());
    let boss = Administrator { place, token };
    a_new_phone_registers(&site, &boss)?;
    a_number_opens_and_closes(&site, &boss)?;
    a_new_agent_logs_in(&site, &boss, &watch)?;
    // Both before and after edits of all that leads to the agent.
    wait::until(LATER, || Ok((agent.acknowledged() >= ANSWERED_MIN && editor.made() > 1).then_some(())))
        .context("the agent of the load gets no calls")?;
    hang_up_all(sales, "sales")?;
    logs_out(&site, &watch)?;
    skills_and_applications_count(&site, &boss)?;
    let is_enough = || Ok((editor.made() >= TURNS_MIN || editor.thread.is_finished()).then_some(()));
    wait::until(LATER, is_enough).context("the edits are slow")?;
    // The last edit is made before the last call begins.
    let made = editor.end()?;
    hang_up_all(echo, "the echo")?;
    ensure!(made >= TURNS_MIN, "only {made} turns of edits were made beside the calls");
    site.is_at_rest()
}
