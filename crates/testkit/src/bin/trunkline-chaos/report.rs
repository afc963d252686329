//! The result of a scenario: the rules and their violations, and the table, as JSON and Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::calls::{STATES, State};
use crate::faults::Scenario;
use crate::judge::{ENOUGH, Harm};

/// On a machine busier than this, in percent, a broken rule may be the machine's fault.
const BUSY_MAX: f64 = 80.0;
/// Lines of evidence printed for a rule.
const LINES: usize = 12;

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The rule, as a sentence.
    pub name: &'static str,
    /// Its violations, one line each.
    pub broken: Vec<String>,
}

/// The result of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// New calls per second.
    pub rate: f64,
    /// The seed of the random times.
    pub seed: u64,
    /// Number of calls.
    pub calls: usize,
    /// Number of answered calls.
    pub answered: usize,
    /// Number of facts received.
    pub facts: usize,
    /// CPU use of the whole machine, in percent.
    pub busy: f64,
    /// Whether the minimum number of calls in each state is required.
    pub is_counted: bool,
    /// The effects of each fault.
    pub harms: Vec<Harm>,
    /// Calls refused in the whole run, by code.
    pub refused: BTreeMap<u16, usize>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Further observations.
    pub notes: Vec<String>,
}

/// The proxy's choice of node for an unanswered INVITE is not visible from outside: half of them are attributed to each node.
fn is_reckoned(harm: &Harm, state: State) -> bool {
    state == State::NothingSent && harm.fault.node.is_some()
}

impl Outcome {
    /// States with too few calls.
    pub fn too_few(&self) -> Vec<String> {
        if !self.is_counted || !self.scenario.has_successors() {
            return Vec::new();
        }
        let of =
            |state| self.harms.iter().filter_map(|harm| harm.rows.get(&state)).map(|row| row.of_node).sum::<usize>();
        let few = STATES.into_iter().filter(|state| of(*state) < ENOUGH);
        few.map(|state| format!("{}: {}", state.name(), of(state))).collect()
    }

    /// Whether a rule was broken on a machine so busy that it may have been the machine. Rules that hold there hold.
    pub fn is_void(&self) -> bool {
        self.busy > BUSY_MAX && self.rules.iter().any(|rule| !rule.broken.is_empty())
    }

    /// Whether every rule held and the run is valid.
    pub fn holds(&self) -> bool {
        self.rules.iter().all(|rule| rule.broken.is_empty()) && self.too_few().is_empty()
    }

    /// As text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n### {}\n", self.scenario.name())?;
        writeln!(
            text,
            "{} calls at {} a second, seed {}; {} answered, refused {:?}; {} facts; machine {:.0} % busy{}\n",
            self.calls,
            self.rate,
            self.seed,
            self.answered,
            self.refused,
            self.facts,
            self.busy,
            if self.is_void() { ": too busy, the run does not count" } else { "" }
        )?;
        self.write_table(text)?;
        for harm in &self.harms {
            let census: Vec<String> =
                harm.fault.census.iter().map(|(when, count)| format!("{when}: {count}")).collect();
            writeln!(text, "\n{}: {}.", harm.fault.what, census.join("; "))?;
            if !harm.refused.is_empty() {
                writeln!(text, "Refused within ten seconds, by code: {:?}.", harm.refused)?;
            }
            if harm.listened > 0 {
                let longest = harm.longest_silence as f64 / 1e6;
                writeln!(text, "Audio: {} calls listened to, the longest silence {longest:.2} s.", harm.listened)?;
            }
        }
        writeln!(text, "\n| rule | |\n|---|---|")?;
        for rule in &self.rules {
            let held =
                if rule.broken.is_empty() { "held".to_owned() } else { format!("broken {} times", rule.broken.len()) };
            writeln!(text, "| {} | {held} |", rule.name)?;
        }
        if !self.too_few().is_empty() {
            writeln!(text, "\nToo few calls (at least {ENOUGH}): {}.", self.too_few().join(", "))?;
        }
        for note in &self.notes {
            writeln!(text, "\n{note}")?;
        }
        for rule in self.rules.iter().filter(|rule| !rule.broken.is_empty()) {
            writeln!(text, "\n{}:\n", rule.name)?;
            for line in rule.broken.iter().take(LINES) {
                writeln!(text, "- {line}")?;
            }
            if rule.broken.len() > LINES {
                writeln!(text, "- and {} more", rule.broken.len() - LINES)?;
            }
        }
        Ok(())
    }

    fn write_table(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "| fault | state of the call | calls | of that node | spoken with after | offered again | lost |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|")?;
        for (number, harm) in (1..).zip(&self.harms) {
            for (state, row) in &harm.rows {
                let about = if is_reckoned(harm, *state) { "about " } else { "" };
                writeln!(
                    text,
                    "| {number}. {} | {} | {} | {about}{} | {} | {} | {} |",
                    harm.fault.what,
                    state.name(),
                    row.calls,
                    row.of_node,
                    row.spoken,
                    row.offered_again,
                    row.lost.len()
                )?;
            }
        }
        Ok(())
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let harms: Vec<Value> = self
            .harms
            .iter()
            .map(|harm| {
                let rows: serde_json::Map<String, Value> = harm
                    .rows
                    .iter()
                    .map(|(state, row)| {
                        let value = json!({
                            "calls": row.calls, "ofNode": row.of_node, "ofNodeIsReckoned": is_reckoned(harm, *state),
                            "spokenAfter": row.spoken,
                            "offeredAgain": row.offered_again, "lost": row.lost,
                        });
                        (state.name().to_owned(), value)
                    })
                    .collect();
                json!({
                    "fault": harm.fault.what, "atUs": harm.fault.at, "node": harm.fault.node, "census": census(harm),
                    "states": rows, "refused": by_code(&harm.refused), "listened": harm.listened,
                    "longestSilenceUs": harm.longest_silence, "silent": harm.silent,
                })
            })
            .collect();
        let rules: Vec<Value> =
            self.rules.iter().map(|rule| json!({"rule": rule.name, "broken": rule.broken})).collect();
        json!({
            "scenario": self.scenario.name(), "rate": self.rate, "seed": self.seed, "calls": self.calls,
            "answered": self.answered, "refused": by_code(&self.refused), "facts": self.facts, "busyPercent": self.busy,
            "void": self.is_void(), "tooFew": self.too_few(), "holds": self.holds(), "faults": harms, "rules": rules,
            "notes": self.notes,
        })
    }
}

fn census(harm: &Harm) -> Value {
    let counts = harm.fault.census.iter().map(|(when, count)| ((*when).to_owned(), json!(count)));
    counts.collect::<serde_json::Map<_, _>>().into()
}

fn by_code(codes: &BTreeMap<u16, usize>) -> Value {
    codes.iter().map(|(code, count)| (code.to_string(), json!(count))).collect::<serde_json::Map<_, _>>().into()
}
