//! How long a successor takes to claim the calls of a failed node: the part of a takeover that grows with the number of calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use backends::redis::{RedisSettings, RedisStores};
use bytes::Bytes;
use infra::{CallLedger, CallWrite, Change, Client, Record, SystemClock, bounds};
use model::{ConnId, Owner, TenantId, Token};

use crate::Options;
use crate::report::{Figure, Goal, Report};
use crate::servers::Servers;

const CALLS: u64 = 5_000;
/// About the size of a conversation with two legs.
const STATE_BYTES: usize = 4_000;
const SECONDS_MAX: f64 = 2.0;

/// Runs the benchmark, with its own servers.
pub fn run(options: &Options, report: &mut Report) -> Result<()> {
    let _servers = Servers::start(options.instance)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let took = runtime.block_on(claim(&format!("redis://127.{}.255.1:6379", options.instance)))?;
    report.add(Figure {
        bench: "persistence",
        what: format!("a successor claims the {CALLS} calls of a dead node"),
        unit: "s",
        ours: took.as_secs_f64(),
        peer: None,
        goal: Goal::AtMost(SECONDS_MAX),
        note: format!(
            "in Redis; records of {STATE_BYTES} bytes, {} in a batch; each is then read and gone on with",
            bounds::CLAIM_BATCH
        ),
        void: Vec::new(),
    });
    Ok(())
}

async fn claim(url: &str) -> Result<Duration> {
    let open = || {
        RedisStores::open(&RedisSettings::at(url), Client::unwatched("trunkline/bench"), Arc::new(SystemClock::start()))
    };
    let (theirs, ours) = (open()?, open()?);
    let tenant = TenantId::parse("bench")?;
    let (dead, successor): (Owner, Owner) = ("sip-cluster-1.1".parse()?, "sip-cluster-2.1".parse()?);
    for first in (0..CALLS).step_by(bounds::CLAIM_BATCH) {
        let batch = (first..CALLS.min(first + bounds::CLAIM_BATCH as u64)).map(|call| begun(call, &tenant, &dead));
        CallLedger::commit(&theirs, batch.collect()).await?;
    }
    let begun = Instant::now();
    let orphans = || CallLedger::orphans(&ours, &tenant, &dead, bounds::CLAIM_BATCH);
    let claimed: Vec<Record<ConnId>> =
        infra::claim_all(&tenant, orphans, |claims| CallLedger::claim(&ours, &successor, claims)).await?;
    let took = begun.elapsed();
    ensure!(claimed.len() as u64 == CALLS, "{} calls were claimed", claimed.len());
    Ok(took)
}

fn begun(call: u64, tenant: &TenantId, owner: &Owner) -> CallWrite {
    CallWrite {
        tenant: tenant.clone(),
        conn_id: ConnId(call + 1),
        owner: owner.clone(),
        token: Token(1),
        change: Change::Create { state: Bytes::from(vec![b's'; STATE_BYTES]), intentions: Bytes::new() },
        due: None,
        index: Vec::new(),
        events: Vec::new(),
        new_call: None,
        absorbs: None,
    }
}
