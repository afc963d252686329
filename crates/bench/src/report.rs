//! Figures and ratios, and the pages and files that present them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::machine::{Speed, SpeedSpan};

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The benchmark.
    pub bench: &'static str,
    /// The measured quantity.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// Our figure.
    pub ours: f64,
    /// That of the peer, or of the floor, measured in the same run.
    pub peer: Option<(&'static str, f64)>,
    /// Our goal.
    pub goal: Goal,
    /// Further information.
    pub note: String,
    /// Why the figure is void, one entry per reason; empty if it is valid.
    pub void: Vec<String>,
}

/// A goal for a figure.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this multiple of the peer's figure.
    Ratio(f64),
    /// At most this value.
    AtMost(f64),
    /// No goal: the figure is informative.
    None,
}

/// All figures of a run, and the missing programs.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
    machine: Vec<(&'static str, SpeedSpan)>,
    missing: Vec<String>,
    failed: Vec<String>,
}

/// About the run.
pub struct Circumstances {
    /// The command.
    pub command: String,
    /// The commit, with a mark if the working tree differs from it.
    pub commit: String,
    /// Processors, kernel, memory.
    pub machine: String,
    /// Date of the run.
    pub date: String,
    /// The peers' versions.
    pub peers: String,
}

/// The table of the last complete run is between these lines of docs/performance.md.
const BEGIN: &str = "<!-- script/bench writes from here -->";
const END: &str = "<!-- script/bench writes to here -->";

impl Figure {
    /// Ours divided by the peer's.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.filter(|(_, value)| *value > 0.0).map(|(_, value)| self.ours / value)
    }

    /// Whether the goal is met; `None` if there is no goal, no peer's figure, or the figure is void.
    pub fn met(&self) -> Option<bool> {
        match self.goal {
            _ if !self.void.is_empty() => None,
            Goal::Ratio(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::AtMost(most) => Some(self.ours <= most),
            Goal::None => None,
        }
    }

    /// Whether it is an amount of time, which a busy machine spoils.
    fn is_of_time(&self) -> bool {
        matches!(self.unit, "s" | "ms" | "µs") || self.unit.ends_with("of CPU")
    }

    fn line(&self) -> String {
        let peer = self.peer.map_or_else(|| "-".to_owned(), |(name, value)| format!("{} ({name})", number(value)));
        let ratio = self.ratio().map_or_else(|| "-".to_owned(), |r| format!("**{r:.2}**"));
        let ratio = if self.void.is_empty() { ratio } else { ratio.replace("**", "") };
        let goal = match self.goal {
            Goal::Ratio(most) => format!("ratio ≤ {most}"),
            Goal::AtMost(most) => format!("≤ {}", number(most)),
            Goal::None => "-".to_owned(),
        };
        let met = match self.met() {
            _ if !self.void.is_empty() => "void",
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        let (what, unit, ours) = (&self.what, self.unit, number(self.ours));
        format!("| {} | {what} | {ours} {unit} | {peer} | {ratio} | {goal} | {met} |", self.bench)
    }

    fn json(&self) -> Value {
        json!({
            "bench": self.bench, "what": self.what, "unit": self.unit, "ours": self.ours,
            "peer": self.peer.map(|(name, value)| json!({"name": name, "value": value})),
            "ratio": self.ratio(), "met": self.met(), "note": self.note, "void": self.void,
        })
    }
}

impl Report {
    /// Adds a figure and prints it.
    pub fn add(&mut self, figure: Figure) {
        eprintln!("{}\n    {}", figure.line(), figure.note);
        figure.void.iter().for_each(|reason| eprintln!("!! void: {reason}"));
        self.figures.push(figure);
    }

    /// Judges the machine's speed around a benchmark: its figures of time are void if the machine was busy or has changed its speed.
    pub fn judge(&mut self, bench: &'static str, span: SpeedSpan) {
        let faults = span.faults();
        faults.iter().for_each(|fault| eprintln!("!! void: {bench}: {fault}"));
        for figure in self.figures.iter_mut().filter(|figure| figure.bench == bench && figure.is_of_time()) {
            figure.void.extend(faults.iter().cloned());
        }
        self.machine.push((bench, span));
    }

    /// The machine's speed during the run: what its figures are to be compared with.
    pub fn floor(&self) -> String {
        let all = || self.machine.iter().flat_map(|(_, span)| [span.before, span.after]);
        let range = |of: fn(Speed) -> f64| {
            let (low, high) =
                all().map(of).fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
            if low > high { "-".to_owned() } else { format!("{} to {}", number(low), number(high)) }
        };
        let (work, packet) = (range(|speed| speed.work_ms), range(|speed| speed.packet_us));
        format!("the fixed piece of work takes {work} ms of CPU, a packet through bare sockets {packet} µs")
    }

    /// Records that a program required by a benchmark is not installed.
    pub fn missing(&mut self, bench: &str, program: &str) {
        let line = format!(
            "{bench}: `{program}` is not installed, so there is no ratio (docs/performance.md names the packages)"
        );
        eprintln!("!! {line}");
        self.missing.push(line);
    }

    /// Records that a benchmark failed.
    pub fn failed(&mut self, bench: &str, error: &anyhow::Error) {
        let line = format!("{bench}: {error:#}");
        eprintln!("!! {line}");
        self.failed.push(line);
    }

    /// Whether no benchmark failed.
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty()
    }

    /// Whether a figure is void.
    pub fn has_void(&self) -> bool {
        self.figures.iter().any(|figure| !figure.void.is_empty())
    }

    /// Everything as JSON.
    pub fn json(&self, about: &Circumstances) -> Value {
        json!({
            "command": about.command, "commit": about.commit, "machine": about.machine, "date": about.date,
            "peers": about.peers, "floor": self.machine.iter().map(floor_json).collect::<Vec<_>>(), "figures": self.figures.iter().map(Figure::json).collect::<Vec<_>>(),
            "missing": self.missing, "failed": self.failed,
        })
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut text =
            "| benchmark | what | ours | peer or floor | ratio | goal | met |\n|---|---|---|---|---|---|---|\n"
                .to_owned();
        for figure in &self.figures {
            text.push_str(&figure.line());
            text.push('\n');
        }
        for line in self.missing.iter().chain(&self.failed).chain(&self.void_lines()) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "\n{line}");
        }
        text
    }

    /// Why rows are void: one line per reason, however many rows of a benchmark it affects.
    fn void_lines(&self) -> Vec<String> {
        let mut spoiled: Vec<(&Figure, &str, usize)> = Vec::new();
        for figure in &self.figures {
            for reason in &figure.void {
                match spoiled.iter_mut().find(|(first, known, _)| first.bench == figure.bench && known == reason) {
                    Some((_, _, rows)) => *rows += 1,
                    None => spoiled.push((figure, reason, 1)),
                }
            }
        }
        let line = |(figure, reason, rows): &(&Figure, &str, usize)| match rows {
            1 => format!("void: {}, {}: {reason}", figure.bench, figure.what),
            _ => format!("void: {rows} rows of {}: {reason}", figure.bench),
        };
        spoiled.iter().map(line).collect()
    }

    /// The page of a run.
    pub fn page(&self, about: &Circumstances) -> String {
        let Circumstances { command, commit, machine, date, peers } = about;
        let mut text = format!(
            "# Benchmarks, {date}\n\n- command: `{command}`\n- commit: {commit}\n- machine: {machine}\n- floor: {}\n- peers: {peers}\n\n",
            self.floor()
        );
        text.push_str(&self.table());
        text.push_str("\nThe machine's floor, before and after each benchmark\n\n| benchmark | fixed piece of work, ms | its time on the clock | a packet, µs |\n|---|---|---|---|\n");
        for (bench, SpeedSpan { before, after }) in &self.machine {
            let both = |of: fn(&Speed) -> f64| format!("{} → {}", number(of(before)), number(of(after)));
            let (work, stretch, packet) = (both(|s| s.work_ms), both(|s| s.stretch), both(|s| s.packet_us));
            let _ = writeln!(text, "| {bench} | {work} | × {stretch} | {packet} |");
        }
        text.push_str("\nNotes\n\n");
        for figure in self.figures.iter().filter(|figure| !figure.note.is_empty()) {
            let _ = writeln!(text, "- {}, {}: {}", figure.bench, figure.what, figure.note);
        }
        text
    }

    /// Writes the page of the run, and the table into docs/performance.md.
    pub fn write(&self, about: &Circumstances, root: &Path) -> Result<()> {
        let results = root.join("docs/results");
        fs::create_dir_all(&results)?;
        let name = format!("{}-bench.md", about.date);
        fs::write(results.join(&name), self.page(about))?;
        let path = root.join("docs/performance.md");
        let text = fs::read_to_string(&path)?;
        let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{} has no {BEGIN}", path.display()))?;
        let (_, after) = rest.split_once(END).with_context(|| format!("{} has no {END}", path.display()))?;
        let about = format!(
            "Run of {} at commit {}, {}: [notes](results/{name}).\nFloor: {}.",
            about.date,
            about.commit,
            about.machine,
            self.floor()
        );
        fs::write(&path, format!("{before}{BEGIN}\n{about}\n\n{}{END}{after}", self.table()))?;
        Ok(())
    }
}

fn floor_json((bench, span): &(&'static str, SpeedSpan)) -> Value {
    let reading =
        |speed: Speed| json!({"work_ms": speed.work_ms, "stretch": speed.stretch, "packet_us": speed.packet_us});
    json!({"bench": bench, "before": reading(span.before), "after": reading(span.after)})
}

/// Formats a number with three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

impl Circumstances {
    /// The circumstances of this run on this machine.
    pub fn now(command: String, root: &Path, peers: String) -> Self {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(root).output().ok();
            output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
        };
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no", "--", "crates", "Cargo.lock"]);
        let mark = if changed.is_empty() { "" } else { " with changes" };
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let count = processor.lines().filter(|line| line.starts_with("processor")).count();
        Self {
            command,
            commit: said("git", &["rev-parse", "--short", "HEAD"]) + mark,
            machine: format!("{count} × {}, Linux {}", model.unwrap_or("unknown"), said("uname", &["-r"])),
            date: said("date", &["+%F"]),
            peers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(void: &[&str]) -> Figure {
        Figure {
            bench: "sip-proxy",
            what: "a call".to_owned(),
            unit: "ms",
            ours: 0.2,
            peer: Some(("Kamailio", 0.3)),
            goal: Goal::Ratio(1.2),
            note: String::new(),
            void: void.iter().map(|reason| (*reason).to_owned()).collect(),
        }
    }

    #[test]
    fn a_busy_machine_spoils_the_rows_of_time_of_its_benchmark() {
        let mut report = Report::default();
        report.add(figure(&[]));
        report.add(Figure { unit: "MB", ..figure(&[]) });
        report.add(Figure { bench: "relay", ..figure(&[]) });
        let speed = |stretch| Speed { work_ms: 40.0, stretch, packet_us: 2.0 };
        report.judge("sip-proxy", SpeedSpan { before: speed(1.0), after: speed(1.5) });
        let void: Vec<usize> = report.figures.iter().map(|figure| figure.void.len()).collect();
        assert_eq!(void, [1, 0, 0]);
        report.judge("relay", SpeedSpan { before: speed(1.0), after: speed(1.0) });
        assert!(report.figures[2].void.is_empty());
        assert!(report.floor().contains("takes 40.0 to 40.0 ms of CPU"), "{}", report.floor());
    }

    #[test]
    fn a_void_row_meets_nothing_and_is_named_with_its_reasons() {
        let mut report = Report::default();
        report.add(figure(&[]));
        assert!(!report.has_void());
        report.add(figure(&["the sender was 300 ms late", "3 calls were lost"]));
        assert!(report.has_void());
        let table = report.table();
        assert!(table.contains("| **0.67** | ratio ≤ 1.2 | yes |"), "{table}");
        assert!(table.contains("| 0.67 | ratio ≤ 1.2 | void |"), "{table}");
        assert!(table.contains("void: sip-proxy, a call: the sender was 300 ms late"), "{table}");
        assert!(table.contains("void: sip-proxy, a call: 3 calls were lost"), "{table}");
        assert_eq!(report.figures.last().and_then(Figure::met), None);
        report.add(figure(&["3 calls were lost"]));
        let table = report.table();
        assert!(table.contains("void: 2 rows of sip-proxy: 3 calls were lost"), "{table}");
        assert!(!table.contains("a call: 3 calls were lost"), "{table}");
    }
}
