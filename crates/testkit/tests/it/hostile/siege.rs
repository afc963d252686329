//! Hostile user agents against the binary, next to honest callers: whatever they send, the installation recovers.
//!
//! `TRUNKLINE_HOSTILE_SEEDS=100000` sets the number of parties, `TRUNKLINE_HOSTILE_FIRST=2000` the first seed,
//! `TRUNKLINE_HOSTILE_AT_ONCE=400` the number of concurrent parties.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use testkit::agents::sipp_register;
use testkit::audio::RATE;
use testkit::caller::prompt_samples;
use testkit::{Caller, Installation, siege::Siege, wait};

use crate::outgoing::is_heard_in;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const SETTLED: Duration = Duration::from_secs(150);
/// The longest time after which a caller who was refused is told to call again.
const AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// Default number of seeds.
const SEEDS: u64 = 30;
/// Default number of concurrent parties: each is a source of its own, below the rate limit of a trunk.
const AT_ONCE: u64 = 10;
/// Duration of an attack: most actions of a party in a call are done by then.
const ACT: Duration = Duration::from_secs(8);
/// The last octets of the phones' addresses, and of an honest caller's.
const PHONES: [(u8, &str); 2] = [(90, "7103"), (91, "7104")];
const HONEST: u8 = 1;
/// How much the honest caller says.
const SPEECH: usize = 6 * RATE;
/// In at most 1/`ROUNDS_FULL_SHARE` of the rounds, and in one of few, the machine may be full: hundreds of parties call in one moment.
const ROUNDS_FULL_SHARE: u64 = 50;
/// Memory reaches its size in the first 1/`WARM_UP` of the rounds: until then calls of parties that fell silent stand
/// beside each other, and traces, streams and answered exchanges fill to their bounds.
const WARM_UP: u64 = 4;
/// Allowed growth of the process after it: buffers that grow to the largest message, and caches of sources and flows.
const GROWTH_KIB: u64 = 96 * 1_024;
/// Allowed CPU time at rest within [`REST_WINDOW`]: keep-alives, leases, statistics. A busy loop takes all of one core.
const REST_CPU_TICKS: u64 = 150;
const REST_WINDOW: Duration = Duration::from_secs(3);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A caller calls the echo number and hears itself.
fn is_heard(site: &Installation) -> Result<()> {
    let mut speech = prompt_samples("announcement")?;
    speech.truncate(SPEECH);
    let mut caller = Caller::dial(site, "caller-when-told.xml", HONEST, site.number("echo")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    caller.hang_up()?;
    let (heard, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let heard = heard.received().samples;
    ensure!(is_heard_in(&speech, &heard), "the caller does not hear itself in {} samples", heard.len());
    Ok(())
}

/// As [`is_heard`], but a caller that is refused because the machine is full calls again when it was told to, once, as
/// a carrier does. Returns whether it was.
fn is_heard_in_the_end(site: &Installation) -> Result<bool> {
    let Err(refused) = is_heard(site) else { return Ok(false) };
    let text = format!("{refused:#}");
    let (_, told) = text.split_once("\nRetry-After: ").filter(|_| text.contains("SIP/2.0 503 ")).ok_or(refused)?;
    let seconds = told.lines().next().unwrap_or_default().trim().parse().context("Retry-After")?;
    thread::sleep(Duration::from_secs(seconds).min(AGAIN_WITHIN));
    is_heard(site)?;
    Ok(true)
}

/// Waits until no call is left: media detects a silent party after 50 s at most, checks for 6 s whether it is alive,
/// and repeats its BYE for 32 s.
fn is_at_rest(site: &Installation) -> Result<()> {
    site.metric_becomes("sip-cluster", "sipcluster_calls", 0.0, SETTLED)?;
    site.is_at_rest()
}

/// CPU time that the process has used, in ticks of 10 ms.
fn cpu_ticks(site: &Installation) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", site.pid()))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    Ok(fields.get(11).context("no utime")?.parse::<u64>()? + fields.get(12).context("no stime")?.parse::<u64>()?)
}

/// Waits until no idle thread runs in a loop.
fn is_idle(site: &Installation) -> Result<()> {
    let mut used = Vec::new();
    let idle = wait::until(LATER, || {
        let before = cpu_ticks(site)?;
        // Ends by its timeout alone.
        let _ = wait::until::<()>(REST_WINDOW, || Ok(None));
        used.push(cpu_ticks(site)?.saturating_sub(before));
        Ok((used.last() <= Some(&REST_CPU_TICKS)).then_some(()))
    });
    idle.with_context(|| format!("ticks of 10 ms in each {REST_WINDOW:?}: {used:?}"))
}

/// Checks that no role has crashed.
fn nobody_died(site: &Installation) -> Result<()> {
    for role in ["sip-proxy", "sip-cluster", "media", "registrar", "rq", "ors"] {
        let restarts = site.metric(role, "role_restarts_total")?;
        ensure!(restarts == 0.0, "{role} was started again {restarts} times");
    }
    Ok(())
}

#[test]
fn one_packet_with_a_session_of_two_seconds_fells_nothing() -> Result<()> {
    let site = Installation::start()?;
    let mut siege = Siege::of_round(0);
    siege.calling_with(&site, 0, "a session that is over at once, and UPDATE without timer", site.number("echo")?)?;
    siege.is_answered(SOON)?;
    siege.act(Duration::from_secs(3));
    is_heard(&site)?;
    is_idle(&site)?;
    siege.leave();
    is_at_rest(&site)?;
    nobody_died(&site)
}

#[test]
fn hostile_callers_and_phones_leave_an_installation_as_it_was() -> Result<()> {
    let site = Installation::start()?;
    for (host, extension) in PHONES {
        sipp_register(&site, host, extension)?;
        site.log_in(extension)?;
    }
    is_heard(&site)?;
    let first = from_environment("TRUNKLINE_HOSTILE_FIRST").unwrap_or(0);
    let last = first + from_environment("TRUNKLINE_HOSTILE_SEEDS").unwrap_or(SEEDS);
    let at_once =
        from_environment("TRUNKLINE_HOSTILE_AT_ONCE").unwrap_or(AT_ONCE).clamp(1, Installation::STRANGERS_MAX.into());
    let numbers = ["sales", "support", "menu", "echo", "announcement", "closed"];
    let rounds = (last - first).div_ceil(at_once);
    let warm_up = rounds.div_ceil(WARM_UP);
    let (mut said, mut talked, mut resident, mut refused) = (0, 0, 0, 0);
    for (round, begin) in (0..).zip((first..last).step_by(at_once as usize)) {
        let mut siege = Siege::of_round(round);
        for (host, extension) in PHONES {
            siege.phone(&site, host, begin << 8 | u64::from(host), extension)?;
        }
        for seed in begin..last.min(begin + at_once) {
            let number = match numbers.get(seed as usize % (numbers.len() + 2)) {
                Some(name) => site.number(name)?,
                None => PHONES[seed as usize % 2].1,
            };
            siege.caller(&site, (seed - begin) as u16, seed, number)?;
        }
        let seeds = format!("seeds {begin} to {}", last.min(begin + at_once));
        let heard = thread::scope(|scope| {
            let honest = scope.spawn(|| is_heard_in_the_end(&site));
            siege.act(ACT);
            honest.join()
        });
        let was_refused = heard.map_err(|_| anyhow!("the honest caller panicked")).flatten().context(seeds.clone())?;
        refused += u64::from(was_refused);
        let (of_these, of_them) = siege.leave();
        (said, talked) = (said + of_these, talked + of_them);
        nobody_died(&site).context(seeds)?;
        // Memory reserved for the first parties is available to later ones.
        if round < warm_up {
            resident = site.resident_kib()?.max(resident);
        }
    }
    eprintln!("{rounds} rounds; the honest caller was told to call again in {refused}; {said} messages of the others");
    ensure!(refused <= rounds.div_ceil(ROUNDS_FULL_SHARE), "the machine was full in {refused} of {rounds} rounds");
    ensure!(said > 100 && talked > 0, "{said} messages, {talked} came into a call");
    is_at_rest(&site)?;
    is_idle(&site)?;
    is_heard(&site)?;
    let after = site.resident_kib()?;
    ensure!(after < resident + GROWTH_KIB, "{resident} KiB became {after}");
    nobody_died(&site)
}
