//! sip-proxy against Kamailio: CPU per call, UDP to UDP over a static route, stateful and record-routing.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process::{Process, find, lingering};
use crate::report::{Figure, Goal, Report};
use crate::sipp::{Counts, Run, Sipp};
use crate::site::Site;
use crate::{Options, kamailio, udp};

/// Offered calls each second.
const RATES: [u32; 2] = [200, 1_000];
const WARM_UP_CALLS: u32 = 200;
/// The goal: at most this multiple of the peer's CPU.
const RATIO_MAX: f64 = 1.2;

/// CPU per call at each rate, in milliseconds, and SIPp's results.
struct Measured {
    /// During the calls.
    busy_ms: Vec<f64>,
    /// After the calls, per call.
    lingering_ms: f64,
    counts: Vec<Counts>,
    memory: u64,
}

impl Measured {
    fn ms(&self, index: usize) -> f64 {
        self.busy_ms[index] + self.lingering_ms
    }

    fn swaps(&self) -> u64 {
        self.counts.iter().map(|c| c.disordered).sum()
    }
}

/// Why the row for a rate is void.
fn faults(index: usize, ours: &Measured, peer: Option<&Measured>) -> Vec<String> {
    let mut faults = ours.counts[index].faults("ours");
    if let Some(peer) = peer {
        faults.extend(peer.counts[index].faults("Kamailio"));
    }
    faults
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if find("sipp").is_none() {
        report.missing("sip-proxy", "sipp");
        return Ok(());
    }
    let site = Site::new(options.instance, folder)?;
    let callee = format!("{}:5060", site.peer(2));
    let ours = {
        let mut config = site.run(&["tenant", "config"], &[])?;
        site.wait_ready("config", &mut config)?;
        let route = format!("sip-proxy.static_route={callee}");
        let mut proxy = site.run(&["sip-proxy"], &[&route])?;
        site.wait_ready("sip-proxy", &mut proxy)?;
        measure(options, &site, &site.edge(), &mut proxy.process, folder)?
    };
    let at = format!("{}:5060", site.peer(3));
    let next = format!("sip:{callee}");
    let peer = match kamailio::start("kamailio-proxy.cfg", &at, 1, &[("NEXT", &next)], folder)? {
        Some(mut process) => Some(measure(options, &site, &at, &mut process, folder)?),
        None => {
            report.missing("sip-proxy", "kamailio");
            None
        }
    };
    show(report, &ours, peer.as_ref());
    Ok(())
}

fn show(report: &mut Report, ours: &Measured, peer: Option<&Measured>) {
    for (index, rate) in RATES.iter().enumerate() {
        let counts = ours.counts[index];
        report.add(Figure {
            bench: "sip-proxy",
            what: format!("a call through a static route, {rate} calls/s"),
            unit: "ms of CPU",
            ours: ours.ms(index),
            peer: peer.map(|p| ("Kamailio, 1 worker", p.ms(index))),
            goal: Goal::Ratio(RATIO_MAX),
            note: format!(
                "{} of {} calls went as they should; {} messages out of order; {} sent again; the sender at most {:.0} ms \
                 late; of the figure {:.3} is for what lingers",
                counts.successful,
                counts.successful + counts.failed,
                counts.disordered,
                counts.retransmissions,
                counts.lag_s * 1e3,
                ours.lingering_ms,
            ) + &peer.map_or_else(String::new, |p| {
                let c = p.counts[index];
                let (failed, swaps, late) = (c.failed, c.disordered, c.lag_s * 1e3);
                format!("; the peer: {failed} failed, {swaps} out of order, the sender {late:.0} ms late, {:.3} for what lingers", p.lingering_ms)
            }),
            void: faults(index, ours, peer),
        });
    }
    let late = ours.counts.iter().map(|c| c.lag_s).fold(0.0, f64::max);
    report.add(Figure {
        bench: "sip-proxy",
        what: "messages out of order within a dialog".to_owned(),
        unit: "calls",
        ours: ours.swaps() as f64,
        peer: peer.map(|p| ("Kamailio, 1 worker", p.swaps() as f64)),
        goal: Goal::AtMost(0.0),
        note: format!("of {} calls", ours.counts.iter().map(|c| c.successful + c.failed).sum::<u64>()),
        // A swap is always a fault; seeing none proves nothing if the sender was late.
        void: if ours.swaps() == 0 { Counts { lag_s: late, ..Counts::default() }.faults("ours") } else { Vec::new() },
    });
    report.add(Figure {
        bench: "sip-proxy",
        what: "memory of the process after it".to_owned(),
        unit: "MB",
        ours: ours.memory as f64 / 1e6,
        peer: peer.map(|p| ("Kamailio, 1 worker", p.memory as f64 / 1e6)),
        goal: Goal::None,
        note: String::new(),
        void: Vec::new(),
    });
}

fn measure(options: &Options, site: &Site, at: &str, process: &mut Process, folder: &Path) -> Result<Measured> {
    let callee = Run { scenario: "callee.xml", local: site.peer(2), remote: None, arguments: vec!["-aa".to_owned()] };
    let mut callee_run = Sipp::start(&callee, folder)?;
    udp::wait_bound(&format!("{}:5060", site.peer(2)), Duration::from_secs(5), callee_run.process())?;
    let call = |calls: u32, rate: u32| {
        let arguments = ["-m", &calls.to_string(), "-r", &rate.to_string(), "-l", "10000", "-timeout", "60"];
        let run = Run {
            scenario: "caller.xml",
            local: site.peer(1),
            remote: Some(at),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        };
        Sipp::run(&run, folder, Duration::from_secs(90))
    };
    let warmed = call(WARM_UP_CALLS, 100)?;
    ensure!(warmed.successful > 0, "no call went through at {at}: see {}", folder.display());
    let (mut busy_ms, mut counts, mut calls) = (Vec::new(), Vec::new(), WARM_UP_CALLS);
    for rate in RATES {
        let wanted = rate * options.seconds();
        let before = process.cpu()?;
        let counted = call(wanted, rate)?;
        busy_ms.push(process.cpu()?.since(before).as_secs_f64() * 1e3 / f64::from(wanted));
        counts.push(counted);
        calls += wanted;
        process.expect_running()?;
    }
    let memory = process.memory();
    let lingering_ms =
        if options.quick { 0.0 } else { lingering(&[process])?.iter().sum::<f64>().max(0.0) * 1e3 / f64::from(calls) };
    Ok(Measured { busy_ms, lingering_ms, counts, memory })
}
