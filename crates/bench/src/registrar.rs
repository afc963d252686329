//! sip-proxy, registrar and config against Kamailio as registrar: CPU per REGISTER with digest authentication, at 1,000 a second.
//!
//! Kamailio runs twice. For the goal, its locations are in memory alone. In the second run, each is in an SQLite file before it
//! is answered, as in our journal.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::process::{Cpu, Process, find, lingering};
use crate::report::{Figure, Goal, Report};
use crate::sipp::{Counts, Run, Sipp};
use crate::site::{PASSWORD, PHONES, REALM, Site, phone};
use crate::{Options, kamailio};

/// Registrations each second.
const RATE: u32 = 1_000;
/// REGISTERs with the same nonce in refresh.xml.
const REFRESHES_OF_A_CALL: u32 = 8;
const RATIO_MAX: f64 = 1.2;
/// The file of users read by both scenarios.
const USERS: &str = "users.csv";

/// CPU of each process, in microseconds per registration.
#[derive(Clone, Debug)]
struct Cost(Vec<f64>);

impl Cost {
    fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// Selects one of the costs.
type Part = fn(&Measured) -> &Cost;

struct Measured {
    new: Cost,
    again: Cost,
    refresh: Cost,
    /// For the three loads.
    counts: [Counts; 3],
    bytes_per_phone: f64,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if find("sipp").is_none() {
        report.missing("registrar", "sipp");
        return Ok(());
    }
    let site = Site::new(options.instance, folder)?;
    write_users(folder)?;
    let ours = {
        let mut config = site.run(&["tenant", "config"], &[])?;
        site.wait_ready("config", &mut config)?;
        // All phones have one address here.
        let proxy = site.run(&["sip-proxy"], &["sip-proxy.source_requests_per_s=24000"])?;
        let mut registrar = site.run(&["registrar"], &[])?;
        site.wait_ready("registrar", &mut registrar)?;
        let processes = [&proxy.process, &registrar.process, &config.process];
        let at = site.edge();
        let loads = Loads { site: &site, at: &at, processes: &processes, folder, lingers: !options.quick };
        measure(options, &loads)?
    };
    let at = format!("{}:5060", site.peer(3));
    let definitions = [("REALM", REALM), ("PASSWORD", PASSWORD)];
    let peer = match kamailio::start("kamailio-registrar.cfg", &at, 1, &definitions, folder)? {
        Some(process) => Some(measure(options, &Loads::of_peer(&site, &at, &[&process], folder))?),
        None => {
            report.missing("registrar", "kamailio");
            None
        }
    };
    show(report, &ours, peer.as_ref(), &IN_MEMORY);
    show_memory(report, &ours, peer.as_ref());
    let Some(database) = Database::create(folder)? else {
        report.missing("registrar with locations on disk", "sqlite3 and kamailio-sqlite-modules");
        return Ok(());
    };
    let stored: Vec<(&str, &str)> = definitions.into_iter().chain(database.definitions()).collect();
    if let Some(process) = kamailio::start("kamailio-registrar.cfg", &at, 1, &stored, folder)? {
        let measured = measure(options, &Loads::of_peer(&site, &at, &[&process], folder))?;
        show(report, &ours, Some(&measured), &ON_DISK);
    }
    Ok(())
}

/// A variant of Kamailio, by its storage of locations.
struct Peer {
    name: &'static str,
    what: &'static str,
    goal: Goal,
}

const IN_MEMORY: Peer = Peer { name: "Kamailio, 1 worker", what: "", goal: Goal::Ratio(RATIO_MAX) };
const ON_DISK: Peer = Peer { name: "Kamailio, 1 worker, SQLite", what: "; both on disk", goal: Goal::None };

/// An SQLite file for Kamailio's locations, as the arguments for its programs.
struct Database {
    url: String,
    connection: String,
}

/// The script of Debian's package that creates the table of locations.
const TABLE: &str = "/usr/share/kamailio/db_sqlite/usrloc-create.sql";
/// A table that the script requires, and SQLite's cheapest journal mode.
const VERSIONS: &str =
    "PRAGMA journal_mode=WAL; CREATE TABLE version (table_name VARCHAR(32), table_version INTEGER DEFAULT 0);";

impl Database {
    /// `None` if the programs for it are not installed.
    fn create(folder: &Path) -> Result<Option<Self>> {
        let (Some(program), Ok(table)) = (find("sqlite3"), fs::read_to_string(TABLE)) else { return Ok(None) };
        let file = folder.join("location.db");
        let made = Command::new(program).arg(&file).arg(format!("{VERSIONS}\n{table}")).status()?;
        ensure!(made.success(), "the table of locations cannot be made");
        let url = format!("sqlite:///{}", file.display());
        Ok(Some(Self { connection: format!("location=>{url}"), url }))
    }

    fn definitions(&self) -> [(&'static str, &str); 2] {
        [("DB_URL", &self.url), ("DB_CONNECTION", &self.connection)]
    }
}

fn show(report: &mut Report, ours: &Measured, peer: Option<&Measured>, kind: &Peer) {
    // A refresh costs the third load minus the second.
    let loads: [&[usize]; 3] = [&[0], &[1], &[1, 2]];
    let rows: [(&str, Part); 3] = [
        ("a new address, digest: 401, then 200", |m| &m.new),
        ("a known address, digest: 401, then 200", |m| &m.again),
        ("a refresh with a nonce that is still good: 200", |m| &m.refresh),
    ];
    for ((what, cost), loads) in rows.into_iter().zip(loads) {
        let parts = &cost(ours).0;
        let of =
            |whose: &str, m: &Measured| loads.iter().flat_map(|at| m.counts[*at].faults(whose)).collect::<Vec<_>>();
        let mut void = of("ours", ours);
        void.extend(peer.into_iter().flat_map(|peer| of("Kamailio", peer)));
        report.add(Figure {
            bench: "registrar",
            what: format!("{what}{}", kind.what),
            unit: "µs of CPU",
            ours: cost(ours).total(),
            peer: peer.map(|p| (kind.name, cost(p).total())),
            goal: kind.goal,
            note: format!(
                "sip-proxy {:.1}, registrar {:.1}, config and tenant {:.1}; {} failed; the sender at most {:.0} ms late",
                parts[0],
                parts[1],
                parts[2],
                loads.iter().map(|at| ours.counts[*at].failed).sum::<u64>(),
                loads.iter().map(|at| ours.counts[*at].lag_s * 1e3).fold(0.0, f64::max),
            ),
            void,
        });
    }
}

fn show_memory(report: &mut Report, ours: &Measured, peer: Option<&Measured>) {
    report.add(Figure {
        bench: "registrar",
        what: "memory for a registered phone".to_owned(),
        unit: "bytes",
        ours: ours.bytes_per_phone,
        peer: peer.map(|p| ("Kamailio, 1 worker", p.bytes_per_phone)),
        goal: Goal::None,
        note: "growth of all processes while the phones register, divided by the phones; ours holds credentials, too"
            .to_owned(),
        void: ours.counts[0].faults("ours"),
    });
}

/// Runs loads against a registrar.
struct Loads<'a> {
    site: &'a Site,
    at: &'a str,
    processes: &'a [&'a Process],
    folder: &'a Path,
    /// Whether to include the work that remains after a load.
    lingers: bool,
}

impl<'a> Loads<'a> {
    /// Kamailio's registrar answers without a transaction: no work remains after a load.
    const fn of_peer(site: &'a Site, at: &'a str, processes: &'a [&'a Process], folder: &'a Path) -> Self {
        Self { site, at, processes, folder, lingers: false }
    }

    /// The cost of `calls` calls of a scenario.
    fn run(&self, scenario: &str, calls: u32, rate: u32) -> Result<Load> {
        let Self { site, at, processes, folder, lingers } = *self;
        let arguments = ["-m", &calls.to_string(), "-r", &rate.to_string(), "-l", "10000", "-timeout", "90", "-inf"];
        let mut arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        arguments.push(folder.join(USERS).display().to_string());
        let run = Run { scenario, local: site.peer(1), remote: Some(at), arguments };
        let before = processes.iter().map(|p| p.cpu()).collect::<Result<Vec<Cpu>>>()?;
        let counts = Sipp::run(&run, folder, Duration::from_secs(100))?;
        ensure!(counts.successful > 0, "nobody could register at {at}");
        let taken = processes.iter().zip(before).map(|(p, b)| Ok(p.cpu()?.since(b).as_secs_f64()));
        let taken: Vec<f64> = taken.collect::<Result<_>>()?;
        let memory = self.memory();
        let later = if lingers { lingering(processes)? } else { vec![0.0; processes.len()] };
        let each = taken.iter().zip(later).map(|(taken, later)| (taken + later) * 1e6 / f64::from(calls));
        Ok(Load { cost: Cost(each.collect()), counts, memory })
    }

    fn memory(&self) -> f64 {
        self.processes.iter().map(|process| process.memory()).sum::<u64>() as f64
    }
}

/// The cost of a load.
struct Load {
    cost: Cost,
    counts: Counts,
    /// Memory of all processes at its end, in bytes.
    memory: f64,
}

fn measure(options: &Options, loads: &Loads<'_>) -> Result<Measured> {
    let phones = if options.quick { 3_000 } else { PHONES };
    let before = loads.memory();
    let new = loads.run("register.xml", phones, RATE)?;
    let bytes_per_phone = (new.memory - before) / f64::from(phones);
    let again = loads.run("register.xml", RATE * options.seconds(), RATE)?;
    let calls = RATE / REFRESHES_OF_A_CALL;
    let both = loads.run("refresh.xml", calls * options.seconds(), calls)?;
    let of_one = |(both, again): (&f64, &f64)| (both - again) / f64::from(REFRESHES_OF_A_CALL);
    let refresh = Cost(both.cost.0.iter().zip(&again.cost.0).map(of_one).collect());
    let counts = [new.counts, again.counts, both.counts];
    Ok(Measured { new: new.cost, again: again.cost, refresh, counts, bytes_per_phone })
}

fn write_users(folder: &Path) -> Result<()> {
    let mut text = "SEQUENTIAL\n".to_owned();
    for number in 0..PHONES {
        let user = phone(number);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{user};[authentication username={user} password={PASSWORD}]");
    }
    Ok(fs::write(folder.join(USERS), text)?)
}
