//! Part of `cargo xtask tidy`: one name stands for one thing, so at most two types of the whole tree share it.

use std::collections::BTreeMap;

/// Names of what every role, crate or command has one of. The module before it tells whose it is.
#[rustfmt::skip]
const OF_EACH: &[&str] = &[
    "Arguments", "Counts", "Event", "EventLoop", "Input", "Limits", "Metrics", "Output", "Parts", "Settings", "State",
    "TenantLoop",
];
/// The most types of one name.
const TYPES_MAX: usize = 2;
/// Known names of more types, with their number. The list must only shrink.
#[rustfmt::skip]
const KNOWN: &[(&str, usize)] = &[
    ("Action", 3), ("Agent", 5), ("AgentSnapshot", 3), ("Answer", 9), ("Application", 3), ("Asked", 4),
    ("Binding", 3), ("Board", 3), ("Call", 10), ("Caller", 3), ("Calls", 3), ("Candidate", 4),
    ("Change", 4), ("Client", 3), ("Command", 3), ("Connection", 4), ("Connector", 2), ("Counted", 3),
    ("Credentials", 3), ("Dialog", 3), ("Document", 3), ("Doing", 3), ("Element", 3), ("End", 4),
    ("Ended", 5), ("Ending", 3), ("Entry", 6), ("Exchange", 3), ("Fact", 4), ("Fault", 7),
    ("Faults", 5), ("Finding", 3), ("Found", 5), ("Frame", 3), ("Held", 4), ("Inbox", 3),
    ("Inner", 3), ("Kept", 5), ("Kind", 7), ("Leg", 8), ("Line", 5), ("Load", 4),
    ("Measured", 3), ("Message", 4), ("Node", 6), ("Order", 5), ("Origin", 3), ("Outcome", 7),
    ("Packet", 3), ("Party", 7), ("Phase", 4), ("Phone", 4), ("Place", 11), ("Plan", 3),
    ("Progress", 3), ("Reader", 5), ("Received", 3), ("Refusal", 6), ("Report", 3), ("Request", 5),
    ("RequestId", 3), ("Row", 6), ("Rule", 3), ("Run", 6), ("Running", 4), ("Said", 3),
    ("Secret", 3), ("Seen", 3), ("Server", 5), ("Servers", 3), ("Session", 5), ("Shared", 5),
    ("Shown", 3), ("Side", 4), ("Site", 3), ("Slot", 3), ("Snapshot", 3), ("Source", 6),
    ("Sources", 4), ("Stage", 5), ("Standing", 3), ("Start", 3), ("Step", 8), ("Subscription", 3),
    ("Taken", 4), ("Target", 3), ("Timers", 4), ("Told", 4), ("Totals", 4),
    ("Turn", 5), ("Value", 4), ("View", 3), ("Waiting", 5), ("Wanted", 4),
    ("Watch", 4), ("What", 3),
];

/// The types of all files by name.
#[derive(Default)]
pub struct Names(BTreeMap<String, usize>);

impl Names {
    /// Counts the types that a file declares at any depth, without its tests.
    pub fn count(&mut self, text: &str) {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for name in code.lines().filter_map(declared) {
            *self.0.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Every name of more types than allowed, and every known one that has fewer by now.
    pub fn faults(&self) -> Vec<String> {
        let known: BTreeMap<&str, usize> = KNOWN.iter().copied().collect();
        let mut faults = Vec::new();
        for (name, types) in self.0.iter().filter(|(name, _)| !OF_EACH.contains(&name.as_str())) {
            let allowed = known.get(name.as_str()).copied().unwrap_or(TYPES_MAX);
            if *types > allowed {
                faults.push(format!(
                    "{types} types are called {name}, {allowed} may be: give each the name of its thing"
                ));
            }
        }
        for (name, types) in known {
            let now = self.0.get(name).copied().unwrap_or_default();
            if now < types {
                faults.push(format!(
                    "{now} types are called {name} by now: write that into the list (crates/xtask/src/names.rs)"
                ));
            }
        }
        faults
    }
}

/// The type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c| c != ' ').trim_start(),
        None => line,
    };
    // pub(in some::module)
    let line = line.split_once(") ").filter(|(scope, _)| scope.contains("::")).map_or(line, |(_, rest)| rest);
    let (kind, rest) = line.split_once(' ')?;
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    let is_type = matches!(kind, "struct" | "enum" | "trait" | "union") && name.starts_with(|c: char| c.is_uppercase());
    is_type.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_whoever_sees_them() {
        let text = "pub struct A;\n    enum B {\npub(crate) trait C {}\npub(in crate::x::y) struct D<T>(T);\nfn e() {}\nimpl F {}\n";
        assert_eq!(text.lines().filter_map(declared).collect::<Vec<_>>(), ["A", "B", "C", "D"]);
    }

    #[test]
    fn a_third_type_of_one_name_is_refused() {
        let mut names = Names::default();
        for _ in 0..3 {
            names.count("struct Quail;\n#[cfg(test)]\nmod tests { struct Quail; }\nstruct Settings;");
        }
        let faults = names.faults();
        let refused: Vec<&String> = faults.iter().filter(|fault| fault.contains("may be")).collect();
        assert_eq!(refused, ["3 types are called Quail, 2 may be: give each the name of its thing"]);
    }
}
