//! Administrators edit people, phones and business hours while calls run: no call fails, and each reader of the configuration acts by the
//! new one: sip-proxy, dialplan, rq, agent-state and ors, shown by what they do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_agent;
use testkit::caller::sipp;
use testkit::facts::{connect, runtime, tenant_role};
use testkit::sipp::Running;
use testkit::{Answer, Caller, Endpoint, Installation, Sipp, Watch, wait};

use crate::provisioning::{Client, batch, change, put, token};
use crate::sign_in::forgeries::CONFIGURATION;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(120);
/// Calls of the load, how many begin each second, and how many there are at a time.
const CALLS: (u32, u32, u32) = (150, 5, 30);
/// How long each talks, in ms.
const TALK_MS: &str = "3000";
/// More edits than the load takes.
const EDITS_MAX: u64 = 10_000;
/// Between two turns: the load is to be steady, not to be all that the machine can do.
const PAUSE: Duration = Duration::from_millis(50);
/// Edits at least: fewer are no load.
const EDITS_MIN: u64 = 50;
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

/// The edits of a turn: a person, a phone and business hours, each with another value than before.
fn turn(number: u64) -> Vec<contracts::v1::ChangeObject> {
    let hours = json!({ "name": "Load", "open": [format!("Mon {:02}:00-23:00", number % 20)], "exceptions": [] });
    vec![
        put(
            "person",
            "cleo.carter",
            None,
            &json!({ "last_name": format!("Edit {number}") }).to_string(),
            &["last_name"],
        ),
        put("dn", "7205", None, &json!({ "no_answer_s": 10 + number % 20 }).to_string(), &["no_answer_s"]),
        put("schedule", "Load", None, &hours.to_string(), &[]),
    ]
}

impl Editor {
    fn start(place: SocketAddr, token: String) -> Self {
        let (made, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, heard) = (made.clone(), is_over.clone());
        let edits = move || {
            runtime()?.block_on(async {
                let mut client = Client::new(connect(place).await?);
                for number in 0..EDITS_MAX {
                    if heard.load(Ordering::SeqCst) {
                        break;
                    }
                    change(&mut client, &token, batch(turn(number))).await??;
                    counted.fetch_add(1, Ordering::SeqCst);
                    // Not a wait for a condition.
                    let _ = wait::until(PAUSE, || Ok(None::<()>));
                }
                anyhow::Ok(())
            })
        };
        Self { made, is_over, thread: std::thread::spawn(edits) }
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

fn load(site: &Installation, audio: &Endpoint) -> Result<Running> {
    let (calls, rate, at_once) = CALLS;
    let callers = sipp(site, "caller.xml", 1, audio).dial(site.number("echo")?);
    callers.calls(calls, rate, at_once).with(&["-d", TALK_MS]).start()
}

#[test]
fn edits_under_load_cost_no_call_and_every_reader_acts_by_them() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let (place, token) =
        (tenant_role(&site, CONFIGURATION), token(&site, "tool/boss", &["config:read", "config:write"])?);
    let audio = Endpoint::listen(site.peer_address(1).into())?;
    let callers = load(&site, &audio)?;
    let editor = Editor::start(place, token.clone());
    let boss = Administrator { place, token };
    a_new_phone_registers(&site, &boss)?;
    a_number_opens_and_closes(&site, &boss)?;
    a_new_agent_logs_in(&site, &boss, &watch)?;
    skills_and_applications_count(&site, &boss)?;
    // Of the load every call was answered, lasted and ended as its caller wanted.
    callers.finish(LATER)?.expect_success().context("a call of the load")?;
    let made = editor.end()?;
    ensure!(made >= EDITS_MIN, "only {made} edits were made beside the calls");
    site.is_at_rest()
}
