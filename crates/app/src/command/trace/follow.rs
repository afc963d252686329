//! `trunkline trace --follow`: the events of a call, or of every new call, as they happen.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::time::Duration;

use infra::{Clock as _, SystemClock};
use net::admin::AdminClient;
use platform::trace::document::Trace;
use platform::trace::lines::{Line, PrintedLines};
use platform::trace::{ask, explain, text};
use runtime::exit::Exit;
use serde_json::json;

use super::{Arguments, InstallationOptions};

/// Pause between two rounds of queries.
const PAUSE: Duration = Duration::from_millis(400);
/// Maximum of calls that are followed at once; further ones are counted.
const CALLS_MAX: usize = 16;
/// Maximum of calls that are requested to find the new ones.
const LATEST_MAX: usize = 200;
/// Rounds without new entries after a call's last fact: then all roles have reported everything.
const QUIET_ROUNDS: u32 = 3;

/// The state of following.
pub(super) struct Following<'a> {
    options: &'a InstallationOptions,
    arguments: &'a Arguments,
    tenant: String,
    calls: BTreeMap<String, Followed>,
    /// Calls that are not followed: older ones, ended ones, or those above the limit.
    passed: BTreeSet<String>,
    /// Whether new calls are followed; if not, it ends with its call.
    takes_new: bool,
    was_silent: bool,
}

#[derive(Default)]
struct Followed {
    told: PrintedLines,
    over: bool,
    quiet: u32,
}

/// Follows every new call, of the only tenant with calls or of the first that will have one.
pub(super) async fn every_new(
    options: &InstallationOptions,
    arguments: &Arguments,
    admin_client: &AdminClient,
) -> anyhow::Result<Exit> {
    let is_known = arguments.tenant.is_some() || ask::tenants(admin_client).await.is_none_or(|all| !all.is_empty());
    if is_known {
        let tenant = super::tenant(options, arguments, admin_client).await?;
        eprintln!("following every new call of tenant {tenant}; Ctrl-C ends it");
        let mut following = Following::new(options, arguments, tenant);
        following.passed.extend(following.latest(admin_client).await);
        return following.run().await;
    }
    eprintln!("following every new call; there was none yet; Ctrl-C ends it");
    let tenant = tokio::select! {
        signal = tokio::signal::ctrl_c() => return Ok(signal.map(|()| Exit::Done)?),
        tenant = first_tenant(options, arguments) => tenant?,
    };
    Following::new(options, arguments, tenant).run().await
}

async fn first_tenant(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<String> {
    loop {
        let admin_client = super::admin_client(options, arguments)?;
        if let Some(tenant) = ask::tenants(&admin_client).await.and_then(|tenants| tenants.into_iter().next()) {
            return Ok(tenant);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl<'a> Following<'a> {
    fn new(options: &'a InstallationOptions, arguments: &'a Arguments, tenant: String) -> Self {
        let (calls, passed) = (BTreeMap::new(), BTreeSet::new());
        Self { options, arguments, tenant, calls, passed, takes_new: true, was_silent: false }
    }

    /// Follows one call.
    pub(super) fn call(
        options: &'a InstallationOptions,
        arguments: &'a Arguments,
        tenant: String,
        call: String,
    ) -> Self {
        let calls = BTreeMap::from([(call, Followed::default())]);
        Self { calls, takes_new: false, ..Self::new(options, arguments, tenant) }
    }

    /// Runs until Ctrl-C, until its one call is over, or until the reader closes the pipe.
    pub(super) async fn run(mut self) -> anyhow::Result<Exit> {
        loop {
            let turn = self.turn();
            tokio::select! {
                signal = tokio::signal::ctrl_c() => return Ok(signal.map(|()| Exit::Done)?),
                done = turn => match done {
                    Ok(false) => {}
                    Ok(true) => return Ok(Exit::Done),
                    Err(error) if is_gone(&error) => return Ok(Exit::Done),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Queries once and prints the new entries. Returns whether all calls are over.
    async fn turn(&mut self) -> anyhow::Result<bool> {
        // An operator's token is short-lived, so each round makes a new one.
        let admin_client = super::admin_client(self.options, self.arguments)?;
        if self.takes_new {
            self.join(&admin_client).await;
        }
        let calls: Vec<String> = self.calls.keys().cloned().collect();
        let mut answered = calls.is_empty();
        for call in calls {
            let answers = ask::call(&admin_client, &self.tenant, &call, self.arguments.sight()).await;
            answered |= answers.iter().any(|answer| answer.known.is_ok());
            let now = SystemClock::start().now().as_micros() as f64 / 1_000.0;
            if let Some(trace) = explain(&self.tenant, &answers, !self.arguments.numbers, now) {
                self.tell(&call, &trace)?;
            }
        }
        if !answered && !self.was_silent {
            eprintln!("no role of instance {} answers: asking again until one does", self.options.instance);
        }
        self.was_silent = !answered;
        tokio::time::sleep(PAUSE).await;
        Ok(!self.takes_new && self.calls.is_empty())
    }

    /// The latest calls, newest first.
    async fn latest(&self, admin_client: &AdminClient) -> Vec<String> {
        let from = self.arguments.from.as_deref();
        let traces = ask::latest(admin_client, &self.tenant, from, LATEST_MAX, self.arguments.numbers).await;
        traces.calls.into_iter().map(|call| call.conn_id).collect()
    }

    async fn join(&mut self, admin_client: &AdminClient) {
        let latest = self.latest(admin_client).await;
        let mut too_many = 0;
        for call in latest.iter().rev() {
            if self.calls.contains_key(call) || !self.passed.insert(call.clone()) {
                continue;
            }
            if self.calls.len() < CALLS_MAX {
                self.calls.insert(call.clone(), Followed::default());
            } else {
                too_many += 1;
            }
        }
        if too_many > 0 {
            eprintln!("{too_many} more new calls are not followed: {CALLS_MAX} are at once");
        }
        // A call that has left the list does not return: ConnIDs grow with time.
        if let Some(oldest) = latest.last() {
            self.passed = self.passed.split_off(oldest);
        }
    }

    fn tell(&mut self, call: &str, trace: &Trace) -> anyhow::Result<()> {
        let Some(followed) = self.calls.get_mut(call) else { return Ok(()) };
        let lines = followed.told.fresh(trace);
        followed.over |= trace.call.ended_at.is_some();
        followed.quiet = if followed.over && lines.is_empty() { followed.quiet + 1 } else { 0 };
        let is_done = followed.quiet >= QUIET_ROUNDS;
        let mut out = io::stdout().lock();
        for line in &lines {
            writeln!(out, "{}", self.printed(call, line))?;
        }
        if is_done {
            let at = trace.call.ended_at.unwrap_or_default();
            let text = trace.verdict.summary.join(" ");
            writeln!(out, "{}", self.printed(call, &Line { at, kind: "verdict", text }))?;
            for finding in &trace.verdict.findings {
                let text = finding.text.clone();
                writeln!(out, "{}", self.printed(call, &Line { at, kind: "finding", text }))?;
            }
            self.calls.remove(call);
        }
        Ok(out.flush()?)
    }

    fn printed(&self, call: &str, line: &Line) -> String {
        if self.arguments.json {
            return json!({ "call": call, "at": line.at, "kind": line.kind, "text": line.text }).to_string();
        }
        let of = if self.takes_new { format!("{call} ") } else { String::new() };
        format!("{of}{} {:<12} {}", text::clock(line.at), line.kind, line.text)
    }
}

/// Whether the reader has closed the pipe, as `head` does.
fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
