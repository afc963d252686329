//! The result of the comparison.

use std::fmt::Write as _;

use serde::Serialize;

/// Two witnesses disagree, or one contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The subject, as `outcome`.
    pub about: &'static str,
    /// The call, agent, fact or queue.
    pub of: String,
    /// Testimony of the one witness.
    pub one: String,
    /// Testimony of the other, or the expected value.
    pub other: String,
}

/// The sums of one witness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// The witness.
    pub witness: &'static str,
    /// Calls that entered.
    pub offered: u64,
    /// Answered by an agent.
    pub answered: u64,
    /// Abandoned by their callers.
    pub abandoned: u64,
    /// What agents did with them; none of queues, which do not know it.
    pub moves: Option<Moves>,
    /// Answered calls to numbers outside; none of queues as well.
    pub outside: Option<u64>,
}

/// What agents did with calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moves {
    /// Consultations.
    pub consultations: u64,
    /// Transfers.
    pub transfers: u64,
    /// Conferences.
    pub conferences: u64,
}

impl Moves {
    /// Counts one of that kind; others are not compared.
    pub fn add(&mut self, kind: &str) {
        match kind {
            "consultation" => self.consultations += 1,
            "transfer" => self.transfers += 1,
            "conference" => self.conferences += 1,
            _ => {}
        }
    }
}

/// All findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub sums: Vec<Sums>,
    pub disagreements: Vec<Disagreement>,
}

/// Maximum of lines in the table; the JSON has all.
const SHOWN: usize = 30;

impl Verdict {
    /// Whether there is no disagreement.
    pub fn agreed(&self) -> bool {
        self.disagreements.is_empty()
    }

    /// The result as a table.
    pub fn table(&self) -> String {
        let mut text = String::from("\nThe same calls, as others count them\n");
        // Writing into a String cannot fail.
        for sums in &self.sums {
            let Sums { witness, offered, answered, abandoned, moves, outside } = sums;
            let _ =
                write!(text, "  {witness:<22} offered {offered:<6} answered {answered:<6} abandoned {abandoned:<6}");
            if let Some(Moves { consultations, transfers, conferences }) = moves {
                let _ = write!(
                    text,
                    " consultations {consultations:<6} transfers {transfers:<6} conferences {conferences:<6}"
                );
            }
            if let Some(outside) = outside {
                let _ = write!(text, " outside {outside}");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        if self.agreed() {
            text.push_str("  all agree\n");
            return text;
        }
        let _ = writeln!(text, "\n{} disagreements", self.disagreements.len());
        for Disagreement { about, of, one, other } in self.disagreements.iter().take(SHOWN) {
            let _ = writeln!(text, "  {about:<18} {of:<34} {one}  |  {other}");
        }
        if self.disagreements.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", self.disagreements.len() - SHOWN);
        }
        text
    }

    /// Prints it on stdout.
    #[allow(clippy::print_stdout, reason = "this is the command's answer")]
    pub fn print(&self, json: bool) {
        if json {
            let document = serde_json::json!({
                "agreed": self.agreed(),
                "sums": self.sums,
                "disagreements": self.disagreements,
                "table": self.table(),
            });
            println!("{document}");
        } else {
            print!("{}", self.table());
        }
    }
}
