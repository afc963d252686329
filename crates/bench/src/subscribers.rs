//! Ten thousand desks and ten programs that follow a tenant's events on port 8000: the time from an event to each of its readers.
//!
//! The facts are written into the tenant's stream as registrar writes them, which is the cheapest way to have many of them. Each
//! subscriber has a token of its own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use backends::redis::{RedisSettings, RedisStores};
use contracts::v1;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use infra::{Client, Clock, RegistrationWrite, RegistrationWritten, Registrations, SystemClock};
use model::{Dn, Event, EventId, EventName, Seq, Stamped, Subject, TenantId, Token};
use runtime::caller::Tie;
use runtime::token::TokenIssuer;
use testkit::Installation;
use testkit::facts::{bearing, connect, tenant_role};
use tonic::Streaming;

use crate::Options;
use crate::cluster::{Cluster, processes};
use crate::process::{Cpu, cpu_of};
use crate::report::{Figure, Goal, Report};

/// Subscribers that follow one DN each, and those that follow everything.
const OF_ONE: u32 = 10_000;
const OF_ONE_QUICK: u32 = 500;
const OF_ALL: u32 = 10;
/// Subscriptions of one connection.
const PER_CONNECTION: u32 = 100;
/// Events of a batch, and the time between two batches: 1,000 events a second.
const BATCH: u32 = 10;
const EACH: Duration = Duration::from_millis(10);
const P99_MAX_MS: f64 = 100.0;
const READERS_MAX: f64 = 1.0;
/// The last deliveries arrive within this time.
const TAIL: Duration = Duration::from_secs(5);
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// A sender that took so much longer than planned was late.
const LATE_MAX: f64 = 1.05;
const TENANT: &str = "example";

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, _folder: &Path) -> Result<()> {
    if !Cluster::is_possible(report, "subscribers") {
        return Ok(());
    }
    let site = Installation::start_on_servers(&["--processes", "--set", "process.log=warn"])?;
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let desks = if options.quick { OF_ONE_QUICK } else { OF_ONE };
    let batches = options.seconds() * 2 * 1_000 / (EACH.as_millis() as u32);
    let heard = executor.block_on(measure(&site, desks, batches))?;
    show(report, desks, heard)
}

/// What came of a load.
struct EventLoad {
    /// From an event to each of its readers, in microseconds, sorted.
    delays_us: Vec<u64>,
    events: u32,
    /// How long the load took, and how long it should have taken.
    took: Duration,
    planned: Duration,
    /// CPU of the role tenant.
    used: Duration,
    /// Tasks of the role that read the stream.
    readers: f64,
}

async fn measure(site: &Installation, desks: u32, batches: u32) -> Result<EventLoad> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let delays: Arc<Mutex<Vec<u64>>> = Arc::default();
    let streams = subscribe(site, desks, &clock).await?;
    for deliveries in streams {
        tokio::spawn(note_delays(deliveries, delays.clone(), clock.clone()));
    }
    let before = tenant_cpu(site);
    let (begun, events) = (Instant::now(), batches * BATCH);
    send(site.demo.instance, desks, batches, &clock).await?;
    let took = begun.elapsed();
    let wanted = events as usize * (1 + OF_ALL as usize);
    let deadline = Instant::now() + TAIL;
    let count = || delays.lock().unwrap_or_else(PoisonError::into_inner).len();
    while count() < wanted && Instant::now() < deadline {
        tokio::time::sleep(EACH).await;
    }
    let used = tenant_cpu(site).since(before);
    let readers = site.metric("tenant", "tenant_stream_readers")?;
    let mut delays_us = std::mem::take(&mut *delays.lock().unwrap_or_else(PoisonError::into_inner));
    delays_us.sort_unstable();
    Ok(EventLoad { delays_us, events, took, planned: EACH * batches, used, readers })
}

fn tenant_cpu(site: &Installation) -> Cpu {
    processes(site.pid()).into_iter().filter(|(role, _)| role == "tenant").map(|(_, pid)| cpu_of(pid)).sum()
}

/// Opens all subscriptions, and waits for the snapshot of each.
async fn subscribe(site: &Installation, desks: u32, clock: &Arc<dyn Clock>) -> Result<Vec<Streaming<v1::Delivery>>> {
    let issuer = runtime::key_files::issuer_of_existing(site.data_dir(), clock.clone())?;
    let mut streams = Vec::new();
    let mut channel = None;
    for number in 0..desks + OF_ALL {
        if number % PER_CONNECTION == 0 {
            channel = Some(connect(tenant_role(site, 8_000)).await?);
        }
        let channel = channel.clone().context("no connection")?;
        let dns = if number < desks { vec![dn(number)] } else { Vec::new() };
        let token = token(&issuer, number, dns.first())?;
        let asked = bearing(v1::SubscribeRequest { dns, ..Default::default() }, &token)?;
        let mut deliveries = EventsClient::new(channel).subscribe(asked).await?.into_inner();
        let first = deliveries.message().await?.and_then(|delivery| delivery.what);
        ensure!(matches!(first, Some(What::Snapshot(_))), "a subscription begins without a snapshot");
        streams.push(deliveries);
    }
    Ok(streams)
}

/// A token for a desk is tied to its DN.
fn token(issuer: &TokenIssuer, number: u32, dn: Option<&String>) -> Result<String> {
    let tenant = TenantId::parse(TENANT)?;
    let tie = dn.map(|dn| anyhow::Ok(Tie { dn: Dn::parse(dn)?, agent: None })).transpose()?;
    let (subject, scope) = (format!("desk/{number}"), runtime::scope::CALLS_READ);
    Ok(issuer.issue_tied(Some(&tenant), tie.as_ref(), &subject, scope, TOKEN_LIFE)?)
}

async fn note_delays(mut deliveries: Streaming<v1::Delivery>, delays: Arc<Mutex<Vec<u64>>>, clock: Arc<dyn Clock>) {
    while let Ok(Some(delivery)) = deliveries.message().await {
        if let Some(What::Event(v1::PositionedEvent { envelope: Some(envelope), .. })) = delivery.what
            && envelope.event.is_some_and(|event| event.this_dn.is_some_and(|dn| dn.len() == DN_LENGTH))
        {
            let delay = clock.now().as_micros().saturating_sub(envelope.at_us);
            delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
        }
    }
}

/// The example's own numbers are shorter.
const DN_LENGTH: usize = 6;

fn dn(number: u32) -> String {
    format!("4{number:05}")
}

/// Writes the facts: each batch about other DNs, until all have had one.
async fn send(instance: u8, desks: u32, batches: u32, clock: &Arc<dyn Clock>) -> Result<()> {
    let url = format!("redis://{}:6379", Ipv4Addr::new(127, instance, 255, 1));
    let stores = RedisStores::open(&RedisSettings::at(&url), Client::unwatched("trunkline/bench"), clock.clone())?;
    let mut turns = tokio::time::interval(EACH);
    for batch in 0..batches {
        turns.tick().await;
        let writes = (batch * BATCH..(batch + 1) * BATCH).map(|event| fact(event % desks, event / desks, clock));
        let answers = Registrations::commit(&stores, writes.collect::<Result<_>>()?).await?;
        let is_done = |answer: &RegistrationWritten| matches!(answer, RegistrationWritten::Done(_));
        ensure!(answers.iter().all(is_done), "Redis refuses a fact: {answers:?}");
    }
    Ok(())
}

/// A phone is out of service, once more.
fn fact(desk: u32, earlier: u32, clock: &Arc<dyn Clock>) -> Result<RegistrationWrite> {
    let (tenant, dn) = (TenantId::parse(TENANT)?, Dn::parse(&dn(desk))?);
    let id = EventId { subject: Subject::Dn(dn.clone()), token: Token(1), seq: Seq(u64::from(earlier) + 1) };
    let event = Event { this_dn: Some(dn.clone()), ..Event::new(EventName::DNOutOfService) };
    let stamped = Stamped { id, tenant: tenant.clone(), at: clock.now(), trace: None, event };
    Ok(RegistrationWrite { tenant, dn, expected: earlier.into(), bindings: Vec::new(), events: vec![stamped] })
}

fn show(report: &mut Report, desks: u32, heard: EventLoad) -> Result<()> {
    let EventLoad { delays_us, events, took, planned, used, readers } = heard;
    let at = |share: usize| delays_us.get(delays_us.len().saturating_sub(1) * share / 100).map(|us| *us as f64 / 1e3);
    let (median, late, most) = (at(50), at(99), at(100));
    let wanted = events as usize * (1 + OF_ALL as usize);
    let mut void = Vec::new();
    if delays_us.len() != wanted {
        void.push(format!("ours: {} of {wanted} deliveries have come", delays_us.len()));
    }
    if took.as_secs_f64() > planned.as_secs_f64() * LATE_MAX {
        void.push(format!("the sender took {:.1} s instead of {:.1} s", took.as_secs_f64(), planned.as_secs_f64()));
    }
    let row = |what: String, unit, ours, most, note: String| Figure {
        bench: "subscribers",
        what,
        unit,
        ours,
        peer: None,
        goal: Goal::AtMost(most),
        note,
        void: void.clone(),
    };
    let note = format!(
        "p50 {:.1} ms, longest {:.1} ms, of {} deliveries; role tenant used {:.1} µs of CPU for each; readers share the machine",
        median.context("nothing was delivered")?,
        most.context("nothing was delivered")?,
        delays_us.len(),
        used.as_secs_f64() * 1e6 / delays_us.len() as f64
    );
    let per_s = 1_000 / EACH.as_millis() as u32 * BATCH;
    let what =
        format!("from an event to its readers, p99; {desks} of one DN, {OF_ALL} of everything, {per_s} events/s");
    report.add(row(what, "ms", late.context("nothing was delivered")?, P99_MAX_MS, note));
    let what = "readers of the stream of events for all of them".to_owned();
    report.add(row(what, "readers", readers, READERS_MAX, String::new()));
    Ok(())
}
