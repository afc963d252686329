//! The media role against rtpengine in user space: CPU per relayed packet of G.711, two parties, 20 ms.
//!
//! Both use their own signalling: rtpengine its NG protocol, media the dialogs that sip-cluster has with it, one per
//! leg, through a real sip-proxy. The whole process is measured in either case.

pub(crate) mod load;
mod ng;
pub(crate) mod node;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use media::codec::Codec;
use media::srtp::Suite;

use crate::process::{Process, find};
use crate::report::{Figure, Goal, Report};
use crate::site::Site;
use crate::{Options, udp};
use load::{Load, Talk};

/// Two-way sessions; each has 100 packets a second.
const SESSIONS: [usize; 2] = [250, 500];
/// Both phones have G.711.
const PHONES: [Codec; 2] = [Codec::Pcmu, Codec::Pcmu];
const PACKETS_PER_SESSION: usize = 100;
const RATIO_MAX: f64 = 1.0;
/// The same where one phone of each session encrypts its audio.
const ENCRYPTED_RATIO_MAX: f64 = 0.6;
const START_LIMIT: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);
/// CPU per packet that the phones heard.
pub(crate) struct Measured {
    pub(crate) us: f64,
    pub(crate) talk: Talk,
}

/// Which of its phones encrypt, and what is compared.
struct RelayKind {
    bench: &'static str,
    suite: Option<Suite>,
    ratio_max: f64,
}

/// Runs the benchmark in clear.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    compare(&RelayKind { bench: "relay", suite: None, ratio_max: RATIO_MAX }, options, report, folder)
}

/// Runs it with a phone that encrypts (AES_CM_128_HMAC_SHA1_80, keys by SDES) and one that does not: each packet is decrypted or encrypted.
pub fn run_encrypted(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let suite = Some(Suite::AesCm128Sha1_80);
    compare(&RelayKind { bench: "srtp", suite, ratio_max: ENCRYPTED_RATIO_MAX }, options, report, folder)
}

fn compare(kind: &RelayKind, options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let mut rows: Vec<(usize, Measured, Option<Measured>)> = Vec::new();
    for sessions in SESSIONS {
        // Media restores the dialogs in its data directory: each run has its own.
        let folder = folder.join(sessions.to_string());
        std::fs::create_dir(&folder)?;
        let site = Site::new(options.instance, &folder)?;
        let load = || {
            let mut load = Load::new(site.peer(1).into(), sessions, &PHONES)?;
            kind.suite.map_or(Ok(()), |suite| load.encrypt_first(suite))?;
            anyhow::Ok(load)
        };
        let mut phones = load()?;
        let ours = ours(options, &site, &mut phones, &folder)?;
        let mut load = load()?;
        let peer = peer(options, &site, &mut load, &folder)?;
        rows.push((sessions, ours, peer));
    }
    if rows.iter().any(|(.., peer)| peer.is_none()) {
        report.missing(kind.bench, "rtpengine");
    }
    for (sessions, ours, peer) in rows {
        let said = |m: &Measured| {
            let Talk { sent, late, slots, lag, .. } = m.talk;
            let (rate, missing) = (m.talk.rate(), m.talk.missing());
            format!(
                "{rate:.0} packets/s, {missing} of {sent} missing, the sender late in {late} of {slots} slots, {} ms at most",
                lag.as_millis()
            )
        };
        let named = if kind.suite.is_some() { "a packet, one phone of two encrypts" } else { "a packet" };
        let mut void = ours.talk.faults("ours");
        if let Some(peer) = &peer {
            void.extend(peer.talk.faults("rtpengine"));
        }
        report.add(Figure {
            bench: kind.bench,
            what: format!("{named}, {sessions} two-way sessions, {} packets/s", sessions * PACKETS_PER_SESSION),
            unit: "µs of CPU",
            ours: ours.us,
            peer: peer.as_ref().map(|p| ("rtpengine, 2 threads", p.us)),
            goal: Goal::Ratio(kind.ratio_max),
            note: said(&ours) + &peer.as_ref().map_or_else(String::new, |p| format!("; the peer: {}", said(p))),
            void,
        });
    }
    Ok(())
}

pub(crate) fn ours(options: &Options, site: &Site, load: &mut Load, folder: &Path) -> Result<Measured> {
    let mut config = site.run(&["tenant", "config"], &[])?;
    site.wait_ready("config", &mut config)?;
    let _proxy = site.run(&["sip-proxy"], &[])?;
    let mut media = site.run(&["media"], &[])?;
    site.wait_ready("media", &mut media)?;
    let _dialogs = node::connect(site, load)?;
    measure(options, load, &mut media.process, folder)
}

fn peer(options: &Options, site: &Site, load: &mut Load, folder: &Path) -> Result<Option<Measured>> {
    let Some(program) = find("rtpengine") else { return Ok(None) };
    let (host, control) = (site.peer(3), format!("{}:2223", site.peer(3)));
    let mut command = Command::new(program);
    command.arg("--config-file").arg(crate::files().join("rtpengine.conf")).args(["--config-section", "bench"]);
    command.arg(format!("--interface={host}")).arg(format!("--listen-ng={control}"));
    let mut process = Process::start("rtpengine", &mut command, &folder.join("rtpengine.log"))?;
    udp::wait_bound(&control, START_LIMIT, &mut process)?;
    ng::connect(&control, load)?;
    measure(options, load, &mut process, folder).map(Some)
}

fn measure(options: &Options, load: &mut Load, process: &mut Process, folder: &Path) -> Result<Measured> {
    load.talk(WARM_UP);
    let before = process.cpu()?;
    let talk = load.talk(Duration::from_secs(options.seconds().into()));
    let cpu = process.cpu()?.since(before);
    process.expect_running()?;
    ensure!(talk.heard > 0, "nothing came back: see {}", folder.display());
    Ok(Measured { us: cpu.as_secs_f64() * 1e6 / talk.heard as f64, talk })
}

/// rtpengine's version, as printed by it.
pub fn peer_version() -> Option<String> {
    let output = Command::new(find("rtpengine")?).arg("--version").output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).lines().next().map(|line| format!("rtpengine {}", line.replace("Version: ", "")))
}
