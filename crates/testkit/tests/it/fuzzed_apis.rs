//! The APIs of the web edge under requests that their OpenAPI documents describe, and under requests with one thing wrong each: whatever
//! comes, the answer is one that the document has, and none says that the fault is ours.

mod cases;
mod exchange;
mod operations;
mod schema;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use testkit::Installation;

use crate::provisioning::token;
use cases::Case;
use exchange::ShownAnswer;
use operations::Operation;

/// Which of the wrong requests are sent, where there are more of them than [`CASES_MAX`]. Another one: `TRUNKLINE_FUZZ_SEED`.
const SEED: u64 = 20;
/// Requests of one operation at most. All of them together take a few seconds.
const CASES_MAX: usize = 400;
/// What an administrator may, and what the other operations of the documents need.
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

#[test]
fn whatever_is_sent_is_answered_as_the_documents_say() -> Result<()> {
    let seed = seed()?;
    let site = Installation::start()?;
    let user = site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")?;
    let administrator = token(&site, &format!("person/{}", user.user), &SCOPES)?;
    let operations = operations::all(&site)?;
    ensure!(operations.len() > 20, "{} operations are served", operations.len());
    let (mut faults, mut sent) = (Vec::new(), 0_usize);
    for operation in &operations {
        let mut statuses = BTreeSet::new();
        for case in cases::of(operation, seed, CASES_MAX)? {
            let answer = exchange::ask(&site, operation, &case, &administrator)
                .with_context(|| format!("seed {seed}: {} {} ({})", operation.method, case.path, case.what))?;
            statuses.insert(answer.status);
            sent += 1;
            if let Some(fault) = operation.fault(&answer) {
                faults.push(told(operation, &case, &answer, &fault));
            }
        }
        // Who is turned away each time has tried nothing.
        let is_let_in = statuses.iter().any(|status| ![401, 403, 429, 503].contains(status));
        ensure!(is_let_in, "{} {} lets nobody in: {statuses:?}", operation.method, operation.path);
    }
    let shown = faults.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("\n");
    ensure!(faults.is_empty(), "seed {seed}: {} of {sent} answers are faulty:\n{shown}", faults.len());
    ensure!(sent > 20 * operations.len(), "{sent} requests are few");
    // Nothing broke inside either, and the tenant is as good as before.
    let broken: Vec<String> = site.log_lines().into_iter().filter(|line| line.contains("panicked")).collect();
    ensure!(broken.is_empty(), "seed {seed}: {broken:?}");
    site.log_in("7101")?;
    site.is_at_rest()
}
