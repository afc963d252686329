//! sip-cluster's CPU for a transfer, blind and attended: a load of routed calls in which each is transferred, less the same load
//! without it. The transfers are requests at the web edge.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{Fact, Watch};

use crate::Options;
use crate::cluster::{Audio, CallLoad, Cluster, CostByRole, PHONES, Spent, Tail};
use crate::report::{Figure, Goal, Report};

const CALLS_PER_S: u32 = 10;
/// Time enough for two steps of a transfer and a talk after them.
const STAYS: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(30);
/// Pause between two looks at the facts.
const LOOK: Duration = Duration::from_millis(5);
/// The last transfer is over this long after the last call has begun.
const OVER_WITHIN: Duration = Duration::from_secs(15);

/// The kinds of transfer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TransferKind {
    Blind,
    Attended,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if !Cluster::is_possible(report, "transfer") {
        return Ok(());
    }
    let cluster = Cluster::start(folder, Audio::Anchored, &[])?;
    let idle = cluster.idle(if options.quick { Duration::from_secs(3) } else { IDLE });
    let load = CallLoad { count: CALLS_PER_S * options.seconds() * 3, per_s: CALLS_PER_S, stays: STAYS };
    // A phone has one call at a time, by which its transfer is found.
    ensure!(load.count <= PHONES, "more calls than phones");
    let tail = if options.quick { Tail::Cut } else { Tail::Included };
    let plain = cluster.cost(load, &idle, tail, || Ok(()))?;
    for (kind, what) in [
        (TransferKind::Blind, "a blind transfer, TSingleStepTransfer"),
        (TransferKind::Attended, "an attended transfer, TInitiateTransfer and TCompleteTransfer"),
    ] {
        let (cost, missing) = transferred(&cluster, load, &idle, tail, kind)?;
        show(report, what, &plain, &cost, missing)?;
    }
    Ok(())
}

/// The cost of the load with a transfer of each call, and how many of these did not come about.
fn transferred(
    cluster: &Cluster,
    load: CallLoad,
    idle: &Spent,
    tail: Tail,
    kind: TransferKind,
) -> Result<(CostByRole, u32)> {
    // Established before the load: a watch begins with a snapshot.
    let watch = Watch::start(&cluster.site, "")?;
    watch.snapshot()?;
    let mut desk = TransferDesk { cluster, watch, read: 0, of_phone: HashMap::new(), completed: 0 };
    let limit = Duration::from_secs(u64::from(load.count / load.per_s)) + OVER_WITHIN;
    let cost = cluster.cost(load, idle, tail, || desk.work(kind, load.count, limit))?;
    Ok((cost, load.count - desk.completed))
}

/// Makes the requests of all phones, as facts come.
struct TransferDesk<'a> {
    cluster: &'a Cluster,
    watch: Watch,
    /// Facts that were worked through.
    read: usize,
    /// The ConnID of the call that is to be transferred.
    of_phone: HashMap<String, String>,
    completed: u32,
}

impl TransferDesk<'_> {
    fn work(&mut self, kind: TransferKind, wanted: u32, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.completed < wanted && Instant::now() < deadline {
            let facts = self.watch.facts_from(self.read);
            self.read += facts.len();
            for fact in &facts {
                self.see(kind, fact)?;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn see(&mut self, kind: TransferKind, fact: &Fact) -> Result<()> {
        let Some(number) = fact.dn().get(1..).filter(|number| number.len() == 4) else { return Ok(()) };
        let [from, to] = ["5", "6"].map(|first| format!("{first}{number}"));
        let conn = fact.text("ConnID");
        match (fact.name.as_str(), kind) {
            ("EventEstablished", _) if fact.dn() == from && fact.text("CallType") != "Consult" => {
                self.of_phone.insert(from.clone(), conn.to_owned());
                let request = if kind == TransferKind::Blind { "TSingleStepTransfer" } else { "TInitiateTransfer" };
                self.ask(json!({"req": request, "ThisDN": from, "OtherDN": to, "ConnID": conn}))
            }
            ("EventEstablished", TransferKind::Attended) if fact.dn() == to => {
                let Some(first) = self.of_phone.get(&from).cloned() else { return Ok(()) };
                self.ask(json!({"req": "TCompleteTransfer", "ThisDN": from, "ConnID": first, "TransferConnID": conn}))
            }
            ("EventReleased", _) if fact.dn() == from && fact.text("CallState") == "Transferred" => {
                // An attended transfer releases the phone from both calls.
                self.completed += u32::from(self.of_phone.remove(&from).is_some());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ask(&self, mut request: Value) -> Result<()> {
        // Facts without a reference of ours would not be told apart from others' in a trace.
        request["ReferenceID"] = Value::from(self.read);
        self.cluster.site.request(&request)
    }
}

fn show(report: &mut Report, what: &str, plain: &CostByRole, cost: &CostByRole, missing: u32) -> Result<()> {
    let mut void: Vec<String> = plain.faults().into_iter().chain(cost.faults()).collect();
    if missing > 0 {
        void.push(format!("ours: {missing} transfers did not come about"));
    }
    let more = |role: &str| Ok::<f64, anyhow::Error>(cost.ms(role)? - plain.ms(role)?);
    report.add(Figure {
        bench: "transfer",
        what: format!("the part of sip-cluster of {what}"),
        unit: "ms of CPU",
        ours: more("sip-cluster")?,
        peer: None,
        goal: Goal::None,
        note: format!(
            "a call with it {:.3} ms, without it {:.3}; more of media {:.3}, of frontend {:.3}, of all roles {:.3}",
            cost.ms("sip-cluster")?,
            plain.ms("sip-cluster")?,
            more("media")?,
            more("frontend")?,
            cost.total_ms() - plain.total_ms(),
        ),
        void,
    });
    Ok(())
}
