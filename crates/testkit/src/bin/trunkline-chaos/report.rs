//! The result of a scenario: the rules and their violations, and the table, as JSON and Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::calls::{STATES, State};
use crate::faults::Scenario;
use crate::judge::{ENOUGH, Harm};
use crate::outside::OutgoingLine;

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
    /// Number of sip-proxies.
    pub proxies: u8,
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
    /// The calls to numbers outside.
    pub outgoing: Vec<OutgoingLine>,
    /// Further observations.
    pub notes: Vec<String>,
}

/// The results of a run as a page of docs/results.
pub fn page(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_page(&mut text, outcomes);
    text
}

fn write_page(text: &mut String, outcomes: &[Outcome]) -> std::fmt::Result {
    let Some(first) = outcomes.first() else { return Ok(()) };
    writeln!(text, "# Chaos at {} calls a second\n", first.rate)?;
    writeln!(
        text,
        "`script/chaos`, seed {}, everything on one machine, sip-proxies: {}.\n",
        first.seed, first.proxies
    )?;
    writeln!(text, "| scenario | rules | calls in each state |\n|---|---|---|")?;
    for outcome in outcomes {
        let broken = outcome.rules.iter().filter(|rule| !rule.broken.is_empty()).count();
        let rules = if broken == 0 { "all held".to_owned() } else { format!("{broken} broken") };
        let enough = match outcome.too_few() {
            few if !few.is_empty() => "too few",
            _ if outcome.is_asked_for_calls() => "enough",
            _ => "not asked for",
        };
        writeln!(text, "| `{}` | {rules} | {enough} |", outcome.scenario.name())?;
    }
    outcomes.iter().try_for_each(|outcome| outcome.write(text))
}

/// The proxy's choice of node for an unanswered INVITE is not visible from outside: half of them are attributed to each node.
fn is_reckoned(harm: &Harm, state: State) -> bool {
    state == State::NothingSent && harm.fault.node.is_some()
}

impl Outcome {
    /// Whether it counts only with enough calls in each state.
    const fn is_asked_for_calls(&self) -> bool {
        self.is_counted && self.scenario.has_successors()
    }

    /// States with too few calls.
    pub fn too_few(&self) -> Vec<String> {
        if !self.is_asked_for_calls() {
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
        writeln!(text, "\n## {}\n", self.scenario.name())?;
        writeln!(
            text,
            "{} calls at {} a second, sip-proxies {}, seed {}; {} answered, refused {:?}; {} facts; machine {:.0} % busy{}\n",
            self.calls,
            self.rate,
            self.proxies,
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
        self.write_outgoing(text)?;
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

    fn write_outgoing(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n| calls to numbers outside, by phones on | calls | answered | talking at a fault | excused | harmed |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for line in &self.outgoing {
            let OutgoingLine { way, calls, answered, at_fault, excused, harmed } = line;
            writeln!(text, "| {way} | {calls} | {answered} | {at_fault} | {excused} | {harmed} |")?;
        }
        Ok(())
    }

    fn write_table(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "| fault | state of the call | calls | of that node | spoken with after | offered again | excused | lost |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|---|")?;
        for (number, harm) in (1..).zip(&self.harms) {
            for (state, row) in &harm.rows {
                let about = if is_reckoned(harm, *state) { "about " } else { "" };
                writeln!(
                    text,
                    "| {number}. {} | {} | {} | {about}{} | {} | {} | {} | {} |",
                    harm.fault.what,
                    state.name(),
                    row.calls,
                    row.of_node,
                    row.spoken,
                    row.offered_again,
                    row.excused.len(),
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
                            "offeredAgain": row.offered_again, "excused": row.excused, "lost": row.lost,
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
        let outgoing: Vec<Value> = self.outgoing.iter().map(of_outgoing).collect();
        json!({
            "scenario": self.scenario.name(), "rate": self.rate, "proxies": self.proxies, "seed": self.seed, "calls": self.calls,
            "answered": self.answered, "refused": by_code(&self.refused), "facts": self.facts, "busyPercent": self.busy,
            "void": self.is_void(), "tooFew": self.too_few(), "holds": self.holds(), "faults": harms, "rules": rules,
            "outgoing": outgoing, "notes": self.notes,
        })
    }
}

fn of_outgoing(line: &OutgoingLine) -> Value {
    json!({
        "way": line.way, "calls": line.calls, "answered": line.answered, "talkingAtFault": line.at_fault,
        "excused": line.excused, "harmed": line.harmed,
    })
}

fn census(harm: &Harm) -> Value {
    let counts = harm.fault.census.iter().map(|(when, count)| ((*when).to_owned(), json!(count)));
    counts.collect::<serde_json::Map<_, _>>().into()
}

fn by_code(codes: &BTreeMap<u16, usize>) -> Value {
    codes.iter().map(|(code, count)| (code.to_string(), json!(count))).collect::<serde_json::Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(broken: &[&str]) -> Outcome {
        let line = |way| OutgoingLine { way, calls: 40, answered: 39, at_fault: 7, harmed: 0, excused: 1 };
        Outcome {
            scenario: Scenario::Others,
            rate: 8.0,
            proxies: 2,
            seed: 1,
            calls: 10,
            answered: 10,
            facts: 100,
            busy: 50.0,
            is_counted: true,
            harms: Vec::new(),
            refused: BTreeMap::new(),
            rules: vec![Rule { name: "a rule", broken: broken.iter().map(|line| (*line).to_owned()).collect() }],
            outgoing: vec![line("UDP, audio in clear"), line("TLS, encrypted audio")],
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_page_names_each_scenario_with_its_rules_and_has_the_rows_of_calls_that_went_out() {
        let page = page(&[outcome(&[]), outcome(&["evidence"])]);
        for line in [
            "# Chaos at 8 calls a second",
            "| `others` | all held | not asked for |",
            "| `others` | 1 broken | not asked for |",
            "## others",
            "| UDP, audio in clear | 40 | 39 | 7 | 1 | 0 |",
            "| TLS, encrypted audio | 40 | 39 | 7 | 1 | 0 |",
            "| a rule | held |",
            "- evidence",
        ] {
            assert!(page.lines().any(|of| of == line), "{line} is not in\n{page}");
        }
        assert_eq!(outcome(&[]).json()["outgoing"][1]["way"], "TLS, encrypted audio");
    }
}
