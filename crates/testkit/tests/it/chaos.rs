//! `trunkline up` is killed repeatedly under load, at times chosen by a seed, and restarted at once: no answered call
//! is lost, no agent is stuck, and nothing remains.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::{baresip_agent, sipp_agent};
use testkit::caller::CALLER;
use testkit::sipp::Running;
use testkit::{Answer, Endpoint, Installation, Sipp, wait};

/// Seed of the random times; other seeds find other faults.
const SEED: u64 = 20;
const KILLS: usize = 5;
/// Milliseconds between two kills.
const GAP_MS: std::ops::Range<u64> = 2_500..8_000;
/// The callers' last pauses, and retransmissions; on a busy machine they begin late.
const CALLS_OVER: Duration = Duration::from_secs(180);
/// The promised time until nothing is left of a call.
const CLEARED_WITHIN: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);

/// Callers that refresh their session three times and then hang up; each request must be answered.
fn callers(site: &Installation, host: u8, number: &str, load: (u32, u32, u32), pause_ms: u32) -> Result<Running> {
    let (calls, in_ten_seconds, at_once) = load;
    let address = site.peer_address(host).to_string();
    Sipp::new("caller-steady.xml", site.peer_address(host), &site.sip())
        .with(&["-key", "caller", CALLER, "-key", "rtp_host", &address, "-key", "rtp_port", "31000"])
        .with(&["-d", &pause_ms.to_string(), "-rp", "10000", "-trace_msg"])
        // Kills in a row may keep a request from its answer for longer than the 32 s that SIPp would repeat it.
        .with(&["-max_retrans", "20", "-max_invite_retrans", "20", "-max_non_invite_retrans", "20"])
        .dial(site.number(number)?)
        .calls(calls, in_ten_seconds, at_once)
        .start()
}

/// The times between kills: xorshift, so that the same seed gives the same test.
fn gaps() -> impl Iterator<Item = Duration> {
    let mut state = SEED.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Duration::from_millis(GAP_MS.start + state % (GAP_MS.end - GAP_MS.start))
    })
}

fn nothing_remains(site: &Installation) -> Result<()> {
    for (role, name) in [
        ("sip-cluster", "sipcluster_calls"),
        ("media", "media_legs"),
        ("ors", "orsnode_strategies"),
        ("rq", "rq_requests_open"),
        ("call-state", "callthread_call_threads"),
    ] {
        site.metric_becomes(role, name, 0.0, CLEARED_WITHIN)?;
    }
    Ok(())
}

#[test]
fn kills_in_a_row_under_load_lose_no_answered_call_and_leave_nothing() -> Result<()> {
    let mut site = Installation::start()?;
    let mut phones = Vec::new();
    for (host, extension) in [(10, "7101"), (11, "7102"), (12, "7103")] {
        let audio = Endpoint::listen(site.peer_address(host).into())?;
        let run = sipp_agent(&site, host, extension, "agent.xml", &audio, &["-d", "300"])?;
        phones.push((audio, run));
    }
    let mut talker = baresip_agent(&site, 13, "7104", Answer::Auto)?;
    let loads = [
        callers(&site, 1, "echo", (120, 35, 40), 2_200)?,
        callers(&site, 2, "sales", (26, 8, 8), 3_600)?,
        callers(&site, 3, "menu", (14, 4, 6), 1_500)?,
    ];
    for gap in gaps().take(KILLS) {
        // Not a wait for a condition: the seed has chosen this time.
        let _ = wait::until(gap, || Ok(None::<()>));
        site = site.crash_and_restart()?;
    }
    for (load, what) in loads.into_iter().zip(["echo", "sales", "menu"]) {
        load.finish(CALLS_OVER)?.expect_success().with_context(|| format!("callers of {what}"))?;
    }
    nothing_remains(&site)?;
    // No agent is stuck: the same number of callers as agents reaches all of them at once.
    while talker.has_seen("CALL_ESTABLISHED")? {
        talker.wait_for("CALL_ESTABLISHED", LATER)?;
    }
    let before: Vec<usize> = phones.iter().map(|(_, run)| run.acknowledged()).collect();
    let last = callers(&site, 4, "sales", (4, 40, 4), 3_000)?;
    talker.wait_for("CALL_ESTABLISHED", LATER).context("the agent at baresip")?;
    for ((_, run), before) in phones.iter().zip(before) {
        wait::until(LATER, || Ok((run.acknowledged() > before).then_some(())))
            .with_context(|| format!("an agent is stuck: {} calls, {before} of them before", run.acknowledged()))?;
    }
    last.finish(LATER)?.expect_success()?;
    nothing_remains(&site)?;
    // No record is left that another run would have to continue.
    let site = site.crash_and_restart()?;
    nothing_remains(&site)?;
    let left: Vec<String> =
        site.log().into_iter().filter(|line| line.contains("of the previous run are restored")).collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}
