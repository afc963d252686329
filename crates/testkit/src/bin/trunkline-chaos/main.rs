//! `script/chaos`: kills, stops and restarts parts of an installation under load. Judges by SIPp's traces and the
//! stream of facts whether callers noticed. docs/when-things-go-wrong.md describes its use and the promises.

mod absence;
mod calls;
mod director;
mod ears;
mod faults;
mod judge;
mod legs;
mod load;
mod options;
mod outside;
mod report;
mod site;
mod tenant;
mod told;

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Fact, clock};

use crate::director::Director;
use crate::faults::{Moments, Run, Scenario};
use crate::load::Load;
use crate::options::Options;
use crate::outside::OutgoingCalls;
use crate::report::{Outcome, Rule};
use crate::site::{Machine, Site};
use crate::told::Told;

/// Before the first fault: two mean lives of a call, so that calls are in every state.
const WARM_UP: Duration = Duration::from_secs(35);
/// The promised time until nothing is left of a call.
const CLEARED_WITHIN: Duration = Duration::from_secs(60);
/// Maximum examples listed for measured values without a promise.
const EXAMPLES: usize = 10;
/// Maximum readings of the reporting log.
const LOOKS: usize = 3;
/// A rule was violated, or the run is void.
const BROKEN: u8 = 1;
/// The run failed.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    clock::heed_signals();
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            return ExitCode::from(FAILED);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

#[allow(clippy::print_stdout, reason = "the table is what the program is for")]
fn run(options: &Options) -> Result<bool> {
    let mut outcomes = Vec::new();
    for scenario in &options.scenarios {
        eprintln!("chaos: {}", scenario.name());
        let outcome = play(*scenario, options).with_context(|| scenario.name())?;
        println!("{}", outcome.text());
        outcomes.push(outcome);
        write(options, &outcomes)?;
    }
    let holds = outcomes.iter().all(Outcome::holds);
    println!("\n{}", if holds { "Every rule held." } else { "Not every rule held, or the run does not count." });
    Ok(holds)
}

/// Writes the results after each scenario, so that they survive a later failure.
fn write(options: &Options, outcomes: &[Outcome]) -> Result<()> {
    if let Some(path) = &options.json {
        let all: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        std::fs::write(path, serde_json::to_string_pretty(&all)?).with_context(|| path.clone())?;
    }
    if let Some(path) = &options.markdown {
        std::fs::write(path, report::page(outcomes)).with_context(|| path.clone())?;
    }
    Ok(())
}

fn play(scenario: Scenario, options: &Options) -> Result<Outcome> {
    let mut site = None;
    let played = under_load(&mut site, scenario, options);
    // The programs' logs matter most when the run failed.
    if let (Err(_), Some(site), Some(folder)) = (&played, &site, &options.keep) {
        std::fs::create_dir_all(folder)?;
        std::fs::write(Path::new(folder).join("trunkline.log"), site.installation.log().join("\n"))?;
    }
    let mut outcome = played?;
    let broken = site.map(Site::stop).transpose()?.flatten().into_iter().collect();
    outcome.rules.push(Rule { name: "the installation ends in order", broken });
    Ok(outcome)
}

fn under_load(place: &mut Option<Site>, scenario: Scenario, options: &Options) -> Result<Outcome> {
    let site = &*place.insert(Site::start(options.instance, scenario, options.rate, options.proxies)?);
    let mut told = Told::start(site)?;
    let mut load = Load::phones(&site.installation, options.rate, &site.edges).context("the phones")?;
    eprintln!("chaos: phones are registered and agents ready; callers begin");
    let director = Director::new(site, options.rate);
    std::thread::scope(|scope| {
        director.run(scope)?;
        let judged = judged(site, &mut told, &mut load, &director, scenario, options);
        director.end();
        judged
    })
}

/// Runs the load and the faults, and judges what came of them.
fn judged(
    site: &Site,
    told: &mut Told,
    load: &mut Load,
    director: &Director<'_>,
    scenario: Scenario,
    options: &Options,
) -> Result<Outcome> {
    load.callers(&site.installation)?;
    let outside = OutgoingCalls::start(site)?;
    let began = clock::now();
    clock::pass(WARM_UP)?;
    let machine = Machine::now()?;
    let moments = Moments::new(options.seed);
    let mut run = Run { site, load, told, options, moments, faults: Vec::new() };
    run.play(scenario)?;
    let faults = run.faults;
    let spent = Duration::from_micros(clock::now() - began);
    clock::pass(Duration::from_secs(options.seconds).saturating_sub(spent))?;
    let busy = machine.busy_since()?;
    site.is_ready()?;
    eprintln!("chaos: no new calls; the last ones end");
    let outgoing = outside.finish()?;
    let stuck_runs = load.finish()?;
    let remains = site.remains(CLEARED_WITHIN);
    clock::pass(Duration::from_secs(2))?;
    let mut facts = told.facts(site)?;
    let log = if told.is_torn { reported_when_quiet(site)? } else { Vec::new() };
    if told.is_torn {
        // Facts missing on port 8000 are searched in the reporting log.
        facts = judge::reported_facts(&log)?;
    }
    let (calls, strays) = calls::join(load.legs(&site.installation.seal()?), &director.steps());
    let harm = |fault| judge::harm(fault, &calls, &faults, &load.ears, load.ear_lines());
    let harms: Vec<_> = faults.iter().map(harm).collect();
    if let Some(folder) = &options.keep {
        keep(&Path::new(folder).join(scenario.name()), load, site, &facts)?;
    }
    let mut outcome = Outcome {
        scenario,
        rate: options.rate,
        proxies: options.proxies,
        seed: options.seed,
        calls: calls.len(),
        answered: calls.iter().filter(|call| call.caller.answered().is_some()).count(),
        facts: facts.len(),
        busy,
        is_counted: !options.smoke,
        refused: judge::refused(&calls),
        rules: rules(&harms, &calls, &strays, &facts, &faults),
        harms,
        outgoing: Vec::new(),
        notes: notes(&facts, &calls, told, stuck_runs),
    };
    judge_answers(&mut outcome, &calls, &faults);
    outcome.notes.extend(excused(&outcome.harms));
    outcome.rules.extend(goes_on(&calls, &faults));
    outcome.outgoing = outside::lines(&outgoing, &faults);
    let harmed = outside::harmed(&outgoing, &faults);
    outcome.rules.push(Rule { name: "no call to a number outside is cut or not heard", broken: harmed });
    outcome.notes.extend(director.refused().into_iter().map(|refused| format!("Refused requests: {refused}.")));
    outcome.rules.push(Rule { name: "every request has an outcome", broken: director.without_outcome() });
    outcome.rules.push(Rule { name: "every agent is ready again", broken: judge::not_ready(&facts) });
    let reported = if told.is_torn { judge::reporting(&[], &log) } else { reported(site, &facts)? };
    outcome.rules.push(Rule { name: "the reporting log has every fact, in order", broken: reported });
    outcome.rules.push(Rule { name: "nothing is left of any call 60 s after the last", broken: remains });
    Ok(outcome)
}

/// Whether new calls went on while a sip-proxy was away; nothing if none was.
fn goes_on(calls: &[calls::Call], faults: &[faults::Fault]) -> Option<Rule> {
    let absences = absence::absences(faults);
    let judged = || absence::not_going_on(calls, &absences);
    (!absences.is_empty()).then(|| Rule { name: "new calls go on by the other sip-proxy", broken: judged() })
}

/// Whether callers were answered, and treatments went on: a rule where nobody may notice the fault.
fn judge_answers(outcome: &mut Outcome, calls: &[calls::Call], faults: &[faults::Fault]) {
    let (unanswered, late) = (judge::unanswered(calls), judge::late_treatments(calls, faults));
    if outcome.scenario.is_unnoticed() {
        outcome.rules.push(Rule { name: "every caller is answered", broken: unanswered });
        outcome.rules.push(Rule { name: "treatments go on from where they were", broken: late });
    } else {
        outcome.notes.push(format!(
            "{} callers were not answered; {} treatments ended late.",
            unanswered.len(),
            late.len()
        ));
        outcome.notes.extend(unanswered.into_iter().chain(late).take(EXAMPLES));
    }
}

/// The calls that a killed sip-proxy had under way: callers repeat them by another one.
fn excused(harms: &[judge::Harm]) -> Option<String> {
    let lines: Vec<String> = [true, false]
        .into_iter()
        .flat_map(|is_established| lost_at_faults(harms, is_established, |row| &row.excused))
        .collect();
    let some: Vec<&String> = lines.iter().take(EXAMPLES).collect();
    let count = lines.len();
    (count > 0).then(|| {
        format!("{count} calls were lost with a request that the killed sip-proxy had under way, as {some:?}.")
    })
}

/// The reporting log, once it has stopped growing between two readings.
fn reported_when_quiet(site: &Site) -> Result<Vec<String>> {
    let mut before = Vec::new();
    for _ in 0..LOOKS {
        let now = log_of(site)?;
        if now.len() == before.len() {
            break;
        }
        before = now;
    }
    Ok(before)
}

fn log_of(site: &Site) -> Result<Vec<String>> {
    let topics = ["voice-callthread", "voice-agentstate"];
    let records: Result<Vec<Vec<String>>> = topics.iter().map(|topic| site.reported(topic)).collect();
    Ok(records?.concat())
}

/// Compares the reporting log with the facts received; an exporter that lags behind gets time.
fn reported(site: &Site, facts: &[Fact]) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for _ in 0..LOOKS {
        broken = judge::reporting(facts, &log_of(site)?);
        if broken.is_empty() {
            break;
        }
    }
    Ok(broken)
}

/// The losses of calls in these states at any fault, each once.
fn lost_at_faults(harms: &[judge::Harm], is_established: bool, of: impl Fn(&judge::Row) -> &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let rows = harms.iter().flat_map(|harm| &harm.rows).filter(|(state, _)| state.is_established() == is_established);
    let lines = rows.flat_map(|(state, row)| of(row).iter().map(|why| format!("{}: {why}", state.name())));
    lines.filter(|line| seen.insert(line.clone())).collect()
}

fn rules(
    harms: &[judge::Harm],
    calls: &[calls::Call],
    strays: &[legs::Leg],
    facts: &[Fact],
    faults: &[faults::Fault],
) -> Vec<Rule> {
    let lost = |is_established| lost_at_faults(harms, is_established, |row| &row.lost);
    let absences = absence::absences(faults);
    vec![
        Rule { name: "no established call is lost", broken: lost(true) },
        Rule { name: "no call is lost while it is set up", broken: lost(false) },
        Rule { name: "no call is lost at another time", broken: judge::lost_otherwise(calls, faults) },
        Rule { name: "nobody who waits loses the place", broken: judge::lost_places(facts) },
        Rule { name: "no agent is offered two calls at once", broken: judge::offered_two(calls, strays, &absences) },
        Rule { name: "no call is answered twice", broken: judge::answered_twice(calls, &absences) },
        Rule { name: "facts are complete, in order, each once", broken: judge::laws(facts) },
        Rule {
            name: "nobody is silent for longer than a second",
            broken: harms.iter().flat_map(|harm| harm.silent.clone()).collect(),
        },
    ]
}

fn notes(facts: &[Fact], calls: &[calls::Call], told: &Told, stuck_runs: usize) -> Vec<String> {
    let unknown = judge::unknown_calls(facts, calls);
    let mut notes = Vec::new();
    if !unknown.is_empty() {
        let some: Vec<&String> = unknown.iter().take(5).collect();
        notes.push(format!("{} calls were begun that no caller knows of, as {some:?}.", unknown.len()));
    }
    if told.is_torn {
        notes.push(
            "Port 8000 began again with a snapshot: the facts that are judged here are those of the reporting log."
                .to_owned(),
        );
    }
    if told.again > 0 {
        notes.push(format!("The subscription to the facts was begun again {} times, from where it stood.", told.again));
    }
    if stuck_runs > 0 {
        notes.push(format!("{stuck_runs} of SIPp's runs did not end by themselves."));
    }
    notes
}

fn keep(folder: &Path, load: &Load, site: &Site, facts: &[Fact]) -> Result<()> {
    load.keep(folder)?;
    std::fs::write(folder.join("trunkline.log"), site.installation.log().join("\n"))?;
    let lines: Vec<String> =
        facts.iter().map(|fact| format!("{} {} {}", fact.position, fact.brief(), fact.frame)).collect();
    std::fs::write(folder.join("facts.log"), lines.join("\n"))?;
    Ok(())
}
