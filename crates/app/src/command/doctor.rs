//! `trunkline doctor`: finds what is stuck, failing or misconfigured, with a remedy. It only reads and changes nothing.

mod certificates;
mod configuration;
mod finding;
mod headers;
mod machine;
mod ports;
mod running;
mod servers;
mod situation;
mod tokens;
mod trunk;

use clap::{Args, Subcommand};
use runtime::exit::{Exit, ExitError};
use serde_json::json;

use super::InstallationOptions;
use super::topology::paint::{Paint, Tone};
use finding::{Finding, Severity};
use situation::Situation;

#[derive(Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: Option<DoctorCommand>,
}

#[derive(Subcommand)]
enum DoctorCommand {
    /// Try a trunk step by step: its address, whether its carrier answers, user and password, and a call
    #[command(after_help = trunk::EXAMPLES)]
    Trunk(trunk::Arguments),
    /// What a trunk's rules about headers make of a message, rule by rule; nothing is sent
    #[command(after_help = headers::EXAMPLES)]
    Headers(headers::Arguments),
}

/// Precondition of a check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The machine and the settings.
    Nothing,
    /// The data directory: without access to it, neither the roles nor the stores are known.
    DataDir,
    /// Running roles, which are queried.
    Running,
}

impl Needs {
    fn are_met(self, situation: &Situation) -> bool {
        match self {
            Self::Nothing => true,
            Self::DataDir => situation.closed.is_none(),
            Self::Running => situation.runs(),
        }
    }
}

/// One check.
struct Check {
    /// Short name, as findings carry it.
    name: &'static str,
    /// Its subject, in one line.
    looks_at: &'static str,
    /// The precondition, without which it has no result.
    needs: Needs,
    /// Runs the check.
    look: fn(&Situation) -> Vec<Finding>,
}

/// Every check, in the order in which findings are printed.
const CHECKS: &[Check] = &[
    Check {
        name: "settings",
        looks_at: "every setting of files, environment and command line",
        needs: Needs::Nothing,
        look: configuration::settings,
    },
    Check {
        name: "ports",
        looks_at: "whether a foreign process holds a port of ours",
        needs: Needs::DataDir,
        look: ports::ports,
    },
    Check {
        name: "addresses",
        looks_at: "whether the addresses that phones and carriers are told can be reached",
        needs: Needs::Nothing,
        look: configuration::addresses,
    },
    Check {
        name: "certificates",
        looks_at: "whether the edge's certificates can be used, are valid, and are for the name that phones are told",
        needs: Needs::Nothing,
        look: certificates::certificates,
    },
    Check {
        name: "data directory",
        looks_at: "who may read the data directory and the keys in it",
        needs: Needs::Nothing,
        look: machine::secrets,
    },
    Check {
        name: "tokens",
        looks_at: "whether each process knows the keys that verify tokens, and what was revoked",
        needs: Needs::DataDir,
        look: tokens::tokens,
    },
    Check {
        name: "disk",
        looks_at: "free space, the journal's size, the reporting log's size",
        needs: Needs::Nothing,
        look: machine::disk,
    },
    Check {
        name: "file limit",
        looks_at: "how many files and sockets a process may have open, against the need",
        needs: Needs::Nothing,
        look: machine::file_limit,
    },
    Check {
        name: "clock",
        looks_at: "whether the clock is kept by a time server, and whether it was set while the instance ran",
        needs: Needs::Nothing,
        look: machine::clock,
    },
    Check {
        name: "stores",
        looks_at: "whether the servers that hold the stores answer, and keep what they are given",
        needs: Needs::Nothing,
        look: servers::servers,
    },
    Check {
        name: "tenants",
        looks_at: "whether there is a tenant, whether its objects name objects that exist, and passwords that are soon guessed",
        needs: Needs::DataDir,
        look: configuration::tenants,
    },
    Check {
        name: "applications",
        looks_at: "whether every routing application loads",
        needs: Needs::DataDir,
        look: configuration::applications,
    },
    Check {
        name: "prompts",
        looks_at: "whether every prompt has a sound file that can be played",
        needs: Needs::DataDir,
        look: configuration::prompts,
    },
    Check {
        name: "trunks",
        looks_at: "who may send calls as a carrier, and where calls to carriers go",
        needs: Needs::DataDir,
        look: configuration::trunks,
    },
    Check {
        name: "signatures",
        looks_at: "whether calls by trunks that sign can be signed, and when the certificates for that end",
        needs: Needs::DataDir,
        look: certificates::signatures,
    },
    Check {
        name: "carriers",
        looks_at: "whether the trunks that register are registered with their carriers",
        needs: Needs::Running,
        look: running::carriers,
    },
    Check {
        name: "roles",
        looks_at: "roles that do not answer, are not ready, or were restarted",
        needs: Needs::Running,
        look: running::roles,
    },
    Check {
        name: "connections",
        looks_at: "connections between roles that are missing or fail",
        needs: Needs::Running,
        look: running::connections,
    },
    Check {
        name: "phones",
        looks_at: "phones of people that are not registered, wrong passwords, sources that nobody knows",
        needs: Needs::Running,
        look: running::phones,
    },
    Check {
        name: "agents",
        looks_at: "agents that are logged in without a phone, or in one state too long",
        needs: Needs::Running,
        look: running::agents,
    },
    Check {
        name: "calls",
        looks_at: "calls that have been in one state too long",
        needs: Needs::Running,
        look: running::calls,
    },
    Check {
        name: "quarantine",
        looks_at: "quarantined records, and faults that were reported",
        needs: Needs::Running,
        look: running::quarantine,
    },
    Check {
        name: "statistics",
        looks_at: "whether the statistics of port 2060 are whole, and are kept",
        needs: Needs::Running,
        look: running::statistics,
    },
    Check {
        name: "web pages",
        looks_at: "whether the pages for the browser are in the program",
        needs: Needs::Running,
        look: running::web_pages,
    },
];

/// Runs all checks and prints the findings.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.what {
        Some(DoctorCommand::Trunk(arguments)) => return trunk::run(options, arguments),
        Some(DoctorCommand::Headers(arguments)) => return headers::run(options, arguments),
        None => {}
    }
    let situation = situation::gather(options)?;
    let looked: Vec<&Check> = CHECKS.iter().filter(|check| check.needs.are_met(&situation)).collect();
    let findings: Vec<(&str, Finding)> = looked
        .iter()
        .flat_map(|check| (check.look)(&situation).into_iter().map(move |found| (check.name, found)))
        .collect();
    if arguments.json {
        say_line!("{}", serde_json::to_string_pretty(&as_json(&situation, &findings))?);
    } else {
        say!("{}", in_words(&situation, &looked, &findings, Paint::of_stdout()));
    }
    let worst = findings.iter().map(|(_, finding)| finding.severity).max();
    match worst {
        Some(Severity::Error) => Err(ExitError::new(Exit::CheckFailed, said(&findings, Severity::Error)).into()),
        Some(Severity::Warning) => Ok(Exit::Warned),
        Some(Severity::Notice) | None => Ok(Exit::Done),
    }
}

fn said(findings: &[(&str, Finding)], severity: Severity) -> String {
    let count = findings.iter().filter(|(_, finding)| finding.severity == severity).count();
    format!("{count} {}{}", severity.as_str(), if count == 1 { "" } else { "s" })
}

fn as_json(situation: &Situation, findings: &[(&str, Finding)]) -> serde_json::Value {
    let checks: Vec<_> = CHECKS
        .iter()
        .map(|check| {
            let looked = check.needs.are_met(situation);
            json!({ "name": check.name, "looksAt": check.looks_at, "looked": looked })
        })
        .collect();
    let found: Vec<_> = findings
        .iter()
        .map(|(check, finding)| {
            json!({
                "check": check, "severity": finding.severity.as_str(), "what": finding.what,
                "where": finding.place, "do": finding.remedy,
            })
        })
        .collect();
    json!({
        "at": situation.now.as_millis(), "instance": situation.instance, "running": situation.runs(),
        "findings": found, "checks": checks,
    })
}

fn in_words(situation: &Situation, looked: &[&Check], findings: &[(&str, Finding)], paint: Paint) -> String {
    let mut text = String::new();
    for (check, finding) in findings {
        let tone = match finding.severity {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Odd,
            Severity::Notice => Tone::Quiet,
        };
        let severity = paint.paint(tone, &format!("{:<8}", finding.severity.as_str()));
        let (place, what, remedy) = (&finding.place, &finding.what, &finding.remedy);
        text.push_str(&format!("{severity}{check}: {place}\n        {what}\n        → {remedy}\n"));
    }
    if !situation.runs() {
        let (instance, left_out, all) = (situation.instance, CHECKS.len() - looked.len(), CHECKS.len());
        text.push_str(&match situation.closed {
            Some(_) => {
                format!("Cannot find out whether instance {instance} runs: {left_out} of {all} checks were left out.\n")
            }
            None => format!("Instance {instance} does not run: {left_out} of {all} checks need that it does.\n"),
        });
    }
    let sums = [Severity::Error, Severity::Warning, Severity::Notice].map(|severity| said(findings, severity));
    text.push_str(&format!("{} checks: {}\n", looked.len(), sums.join(", ")));
    text
}

#[cfg(test)]
mod tests;
