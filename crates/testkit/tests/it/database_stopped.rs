//! PostgreSQL stands still, and is killed, while administrators change a tenant and calls run: what is in memory is read as before, changes
//! are refused in words and never half done, no call suffers, and afterwards everything agrees without a restart.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_agent;
use testkit::caller::{Caller, prompt_samples};
use testkit::{Answer, Installation, wait};

use crate::real::{SECOND, hears_more};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
const API: &str = "/agent-setup/api/v1/example";
/// Changes that are on their way when PostgreSQL stops.
const CAUGHT: usize = 6;
/// What is served from memory.
const FROM_MEMORY: [&str; 4] = [
    "/wfm/v1/example/agents",
    "/pulse/api/v1/example/wallboard",
    "/agent-setup/api/v1/example/objects/skill",
    "/agent-setup/api/v1/example/objects/skill/Sales",
];

fn token(site: &Installation) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["token", "--tenant", "example", "--sub", "tool/boss"])
        .args(["--scope", "config:read config:write statistics:read"])
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// An administrator.
struct Administrator {
    web: String,
    token: String,
}

/// A change that an administrator has sent and is not answered yet: two skills, both or none.
struct SentChange {
    name: String,
    program: Child,
}

/// How it was answered.
struct AnsweredChange {
    name: String,
    status: u16,
    body: String,
}

impl Administrator {
    fn new(site: &Installation) -> Result<Self> {
        Ok(Self { web: site.demo.web.clone(), token: token(site)? })
    }

    fn get(&self, site: &Installation, path: &str) -> Result<testkit::observe::Answer> {
        let web: SocketAddr = self.web.trim_start_matches("http://").parse()?;
        site.http_with(web, "GET", path, &format!("Authorization: Bearer {}\r\n", self.token), "")
    }

    fn sends(&self, name: &str, edits: &Value) -> Result<SentChange> {
        let program = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"])
            .args(["--header", &format!("authorization: Bearer {}", self.token)])
            .args(["--header", "content-type: application/json"])
            .args(["--data-binary", &json!({ "edits": edits }).to_string()])
            .arg(format!("{}{API}/changes", self.web))
            .stdout(Stdio::piped())
            .spawn()
            .context("curl")?;
        Ok(SentChange { name: name.to_owned(), program })
    }

    /// Sends the change that makes both skills of a name.
    fn makes(&self, name: &str) -> Result<SentChange> {
        let edit =
            |skill: String| json!({ "kind": "skill", "id": skill, "action": "put", "object": { "name": skill } });
        self.sends(name, &json!(skills(name).map(edit)))
    }
}

impl SentChange {
    fn answer(self) -> Result<AnsweredChange> {
        let output = self.program.wait_with_output()?;
        ensure!(output.status.success(), "{}: curl {}", self.name, output.status);
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').with_context(|| format!("{}: no status: {text}", self.name))?;
        Ok(AnsweredChange { name: self.name, status: status.parse()?, body: body.to_owned() })
    }
}

impl AnsweredChange {
    /// It is refused with what a person and a program can read, and without what is nobody's business.
    fn is_refused(&self) -> Result<()> {
        let Self { name, status, body } = self;
        let problem: Value = serde_json::from_str(body).with_context(|| format!("{name}: {status} {body}"))?;
        let is_worded = problem["detail"].as_str().is_some_and(|words| !words.is_empty());
        // 504: tenant has not answered within its time, and nobody knows what comes of it.
        let is_refusal = [503, 504].contains(status) && problem["status"] == *status;
        ensure!(is_refusal && is_worded, "{name}: {status} {body}");
        ensure!(!body.contains("postgres") && !body.contains("sqlx"), "{name}: {body}");
        Ok(())
    }
}

fn skills(name: &str) -> [String; 2] {
    [format!("Left {name}"), format!("Right {name}")]
}

/// What is in memory is read.
fn reads_go_on(site: &Installation, boss: &Administrator) -> Result<()> {
    for path in FROM_MEMORY {
        let mut last = None;
        let read = wait::until(SOON, || {
            let answer = boss.get(site, path)?;
            let is_there = answer.status == 200;
            last = Some(answer);
            Ok(is_there.then_some(()))
        });
        read.with_context(|| format!("{path}: {last:?}"))?;
    }
    Ok(())
}

/// A call begins, is served and ends.
fn a_new_call_is_served(site: &Installation, host: u8) -> Result<()> {
    let announced = Caller::dial(site, "caller-until-bye.xml", host, site.number("announcement")?, &[])?;
    announced.finish(LATER)?.1.expect_success().context("a new call while PostgreSQL is away")
}

#[test]
fn postgresql_stands_still_and_is_killed_and_nothing_is_half_done() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let boss = Administrator::new(&site)?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    reads_go_on(&site, &boss)?;
    let before = boss.makes("before")?.answer()?;
    ensure!(before.status == 200, "{} {}", before.status, before.body);

    let caught: Vec<String> = (0..CAUGHT).map(|number| format!("caught {number}")).collect();
    let caught = caught.iter().map(|name| boss.makes(name)).collect::<Result<Vec<_>>>()?;
    site.servers()?.freeze_postgres()?;
    let frozen = boss.makes("frozen")?;
    reads_go_on(&site, &boss)?;
    a_new_call_is_served(&site, 3)?;
    let mut answered = vec![before];
    for change in caught {
        let change = change.answer()?;
        // Some were carried out before it stopped.
        if change.status != 200 {
            change.is_refused()?;
        }
        answered.push(change);
    }
    answered.push(frozen.answer()?);

    site.servers()?.kill_postgres()?;
    answered.push(boss.makes("killed")?.answer()?);
    for change in answered.iter().filter(|change| ["frozen", "killed"].contains(&change.name.as_str())) {
        change.is_refused()?;
    }
    reads_go_on(&site, &boss)?;
    hears_more(&caller, SECOND).context("the conversation has not gone on")?;

    site.servers()?.start_postgres()?;
    let after = wait::until(LATER, || Ok(Some(boss.makes("after")?.answer()?).filter(|after| after.status == 200)));
    answered.push(after.context("nobody can change anything again")?);
    everything_agrees(&mut site, &boss, &answered)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success().context("the conversation")?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

fn rows(site: &mut Installation, sql: &str) -> Result<Vec<String>> {
    Ok(site.servers()?.psql(sql)?.lines().map(str::to_owned).collect())
}

/// The tables, their history and the API have the same skills; a change is there as a whole or not at all, and is there if that was
/// said; and who follows the configuration hears of what comes next.
fn everything_agrees(site: &mut Installation, boss: &Administrator, answered: &[AnsweredChange]) -> Result<()> {
    let listed = boss.get(site, &format!("{API}/objects/skill?page_size=500"))?;
    ensure!(listed.status == 200, "{} {}", listed.status, listed.body);
    let listed: Value = serde_json::from_str(&listed.body)?;
    let items = listed["items"].as_array().context("no items")?;
    let shown: BTreeSet<String> = items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect();
    let stored: BTreeSet<String> = rows(site, "select name from skill where tenant = 'example'")?.into_iter().collect();
    ensure!(stored == shown, "{stored:?} are stored, {shown:?} are shown");
    let made =
        "select id from change_log where tenant = 'example' and kind = 'skill' and id ~ '^(Left|Right) ' order by id";
    let noted = rows(site, made)?;
    let is_ours = |id: &&String| id.starts_with("Left ") || id.starts_with("Right ");
    let mut wanted: Vec<String> = shown.iter().filter(is_ours).cloned().collect();
    let mut once = noted.clone();
    wanted.sort();
    once.sort();
    ensure!(once == wanted, "{noted:?} are noted, {wanted:?} are there");
    for AnsweredChange { name, status, .. } in answered {
        let there = skills(name).map(|skill| shown.contains(&skill));
        ensure!(there[0] == there[1], "{name} is half done");
        ensure!(*status != 200 || there[0], "{name} was confirmed and is not there");
    }
    let edit =
        json!([{ "kind": "person", "id": "ada.adler", "action": "merge", "object": { "last_name": "Afterwards" } }]);
    let renamed = boss.sends("rename", &edit)?.answer()?;
    ensure!(renamed.status == 200, "{} {}", renamed.status, renamed.body);
    let is_heard = || Ok(boss.get(site, FROM_MEMORY[0])?.body.contains("Afterwards").then_some(()));
    wait::until(LATER, is_heard).context("who follows the configuration has not heard of a change")
}
