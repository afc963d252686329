//! What came of the comparison.

use std::fmt::Write as _;

use serde::Serialize;

/// Two witnesses say different things, or one contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// What about, as `outcome`.
    pub about: &'static str,
    /// Which call, agent, fact or queue.
    pub of: String,
    /// What one says.
    pub one: String,
    /// What the other says, or what should be.
    pub other: String,
}

/// Sums as one witness counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Who counted.
    pub witness: &'static str,
    /// Calls that entered.
    pub offered: u64,
    /// Answered by an agent.
    pub answered: u64,
    /// Given up by their callers.
    pub abandoned: u64,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub sums: Vec<Sums>,
    pub disagreements: Vec<Disagreement>,
}

/// Lines of the table; the JSON has all.
const SHOWN: usize = 30;

impl Verdict {
    /// Whether nobody contradicts anybody.
    pub fn agreed(&self) -> bool {
        self.disagreements.is_empty()
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::from("\nThe same calls, as others count them\n");
        // Writing into a String cannot fail.
        for sums in &self.sums {
            let Sums { witness, offered, answered, abandoned } = sums;
            let _ = writeln!(text, "  {witness:<22} offered {offered:<6} answered {answered:<6} abandoned {abandoned}");
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
