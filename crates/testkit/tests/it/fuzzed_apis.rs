//! The APIs of the web edge under requests that are right and under requests with one thing wrong each, several at a time: those that their
//! OpenAPI documents describe are answered as these say, those without a document as the tables of permissions say, and no answer says that
//! the fault is ours.

mod cases;
mod exchange;
mod nul;
mod operations;
mod schema;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use testkit::caller::sipp;
use testkit::{Endpoint, Installation};

use crate::provisioning::token;
use crate::telemetry::CONTRACTS;
use cases::{Case, RIGHT};
use exchange::ShownAnswer;
use operations::Operation;

/// Which of the wrong requests are sent, where there are more of them than the most. Another one: `TRUNKLINE_FUZZ_SEED`.
const SEED: u64 = 20;
/// How many are on their way at a time.
const AT_ONCE: usize = 4;
/// As many batches of telemetry as there may be: what is beyond is refused unread.
const BATCHES: &str = "telemetry.batches_per_minute=6000";
/// How long a call may take.
const LATER: Duration = Duration::from_secs(120);
/// What an administrator may, and what the other operations need.
const SCOPES: [&str; 11] = [
    "config:read",
    "config:write",
    "statistics:read",
    "trace:read",
    "topology:read",
    "webhooks",
    "calls:read",
    "calls:control",
    "calls:monitor",
    "agents:control",
    "agents:supervise",
];
/// Faults that are told at once.
const TOLD_MAX: usize = 25;

fn seed() -> Result<u64> {
    match std::env::var("TRUNKLINE_FUZZ_SEED") {
        Ok(seed) => seed.parse().context("TRUNKLINE_FUZZ_SEED is no number"),
        Err(_) => Ok(SEED),
    }
}

/// What was sent and what came, for whoever looks for the fault.
fn told(operation: &Operation, case: &Case, answer: &ShownAnswer, fault: &str) -> String {
    let body: String =
        case.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default().chars().take(300).collect();
    let came: String = answer.body.chars().take(300).collect();
    let (method, path): (_, String) = (&operation.method, case.path.chars().take(200).collect());
    format!(
        "{fault}: {method} {path} ({}; {:?}) {body}\n    {} {} {came}",
        case.what, case.media_type, answer.status, answer.media_type
    )
}

/// The answers to cases, in their order.
fn answers(web: SocketAddr, operation: &Operation, cases: &[Case], token: &str) -> Result<Vec<ShownAnswer>> {
    let next = AtomicUsize::new(0);
    let share = || -> Result<Vec<(usize, ShownAnswer)>> {
        let mut answered = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(at) else { return Ok(answered) };
            let answer = exchange::ask(web, &operation.method, case, token)
                .with_context(|| format!("{} {} ({})", operation.method, case.path, case.what))?;
            answered.push((at, answer));
        }
    };
    let mut all = Vec::with_capacity(cases.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(share)).collect();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a share panicked"))??);
        }
        anyhow::Ok(())
    })?;
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, answer)| answer).collect())
}

/// Faults of the answers to an operation, and how many there were.
fn tried(web: SocketAddr, operation: &Operation, seed: u64, token: &str) -> Result<(Vec<String>, usize)> {
    let cases = cases::of(operation, seed)?;
    // What removes something does so once.
    let right = cases.iter().take_while(|case| case.what == RIGHT).count();
    let (right, wrong) = cases.split_at(right);
    let mut faults = Vec::new();
    let of_right = answers(web, operation, right, token)?;
    let due: Vec<bool> = of_right.iter().map(|answer| operation.is_due(answer.status)).collect();
    // Who is turned away each time has tried nothing. Of requests about calls some name a call that there is not; all others are let in.
    let is_let_in = if operation.has_alternatives() { due.contains(&true) } else { !due.contains(&false) };
    if !is_let_in {
        let refused = right.iter().zip(&of_right).zip(&due).filter(|(_, is_due)| !**is_due);
        faults.extend(refused.map(|((case, answer), _)| told(operation, case, answer, "what is right is not due")));
    }
    let of_wrong = answers(web, operation, wrong, token)?;
    for (case, answer) in cases.iter().zip(of_right.iter().chain(&of_wrong)) {
        faults.extend(operation.fault(answer).map(|fault| told(operation, case, answer, &fault)));
    }
    Ok((faults, cases.len()))
}

#[test]
fn whatever_is_sent_is_answered_as_the_documents_say() -> Result<()> {
    let seed = seed()?;
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", BATCHES])?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let user = site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")?;
    let administrator = token(&site, &format!("person/{}", user.user), &SCOPES)?;
    // A call that is over, to be read about.
    let audio = Endpoint::listen(site.peer_address(1).into())?;
    let call = sipp(&site, "caller.xml", 1, &audio).dial(site.number("echo")?).calls(1, 1, 1).with(&["-d", "100"]);
    call.run(LATER)?.expect_success()?;
    let known = operations::KnownPlaces::made(web, &administrator)?;
    let documented = operations::documented(&site, &known)?;
    ensure!(documented.len() > 20, "{} operations are served", documented.len());
    let routed = operations::routed()?;
    ensure!(routed.len() > 40, "{} paths have no document", routed.len());
    let (mut faults, mut sent) = (Vec::new(), 0_usize);
    for operation in documented.iter().chain(&routed) {
        let (wrong, count) =
            tried(web, operation, seed, &administrator).with_context(|| format!("seed {seed}: {}", operation.path))?;
        faults.extend(wrong);
        sent += count;
    }
    for (method, case) in nul::asked_of_auth() {
        let answer = exchange::ask(web, method, &case, "")?;
        // There is no such client, and nobody of that name.
        if answer.status >= 500 {
            let Case { path, body, .. } = &case;
            faults.push(format!("the fault is ours: {method} {path} {body:?}\n    {} {}", answer.status, answer.body));
        }
        sent += 1;
    }
    let shown = faults.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("\n");
    ensure!(faults.is_empty(), "seed {seed}: {} of {sent} answers are faulty:\n{shown}", faults.len());
    ensure!(sent > 20 * (documented.len() + routed.len()), "{sent} requests are few");
    // Nothing broke inside either, and the tenant is as good as before.
    let broken: Vec<String> = site.log_lines().into_iter().filter(|line| line.contains("panicked")).collect();
    ensure!(broken.is_empty(), "seed {seed}: {broken:?}");
    site.log_in("7101")?;
    site.is_at_rest()
}
