//! The tests that `data/proven.tsv` names: each must be in the system tests, and must not be ignored.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::workspace;

const PROVEN: &str = "data/proven.tsv";
/// The modules of the system tests.
const SUITE: &str = "crates/testkit/tests/it";

/// Checks that the test of each row exists.
pub fn check(root: &Path) -> Result<()> {
    let table = std::fs::read_to_string(root.join(PROVEN)).context(PROVEN)?;
    let mut modules = HashMap::new();
    for entry in std::fs::read_dir(root.join(SUITE)).context(SUITE)? {
        let path = entry?.path();
        if let (Some(name), Some("rs")) = (path.file_stem(), path.extension().and_then(|e| e.to_str())) {
            modules.insert(name.to_string_lossy().into_owned(), std::fs::read_to_string(&path)?);
        }
    }
    workspace::verdict("proofs", &faults(&table, &modules))
}

fn faults(table: &str, modules: &HashMap<String, String>) -> Vec<String> {
    let rows = table.lines().skip(1).filter(|row| !row.is_empty());
    rows.filter_map(|row| {
        let Some((id, test)) = row.split_once('\t') else { return Some(format!("{PROVEN}: {row:?} names no test")) };
        let is_there = test.split_once("::").is_some_and(|(module, function)| {
            let declared = modules.get("main").is_some_and(|main| main.contains(&format!("mod {module};")));
            declared && modules.get(module).is_some_and(|text| has_test(text, function))
        });
        (!is_there).then(|| format!("{PROVEN}: {id} is proven by {test}, and {SUITE} has no such test"))
    })
    .collect()
}

/// Whether a file has that function, marked as a test that is not ignored.
fn has_test(text: &str, function: &str) -> bool {
    let head = format!("fn {function}(");
    let lines: Vec<&str> = text.lines().collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&head)) else { return false };
    let attributes = || lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    attributes().any(|line| *line == "#[test]") && !attributes().any(|line| line.starts_with("#[ignore"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_whose_test_is_not_in_the_suite_is_a_fault() {
        let main = "mod calls;\n";
        let calls = "#[test]\nfn rings() {}\n\n#[test]\n#[ignore]\nfn sleeps() {}\n\nfn helps() {}\n";
        let other = "#[test]\nfn rings() {}\n";
        let modules = [("main", main), ("calls", calls), ("other", other)];
        let modules = modules.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let of = |test: &str| faults(&format!("id\ttest\nx-01\t{test}\n"), &modules).len();
        assert_eq!(of("calls::rings"), 0);
        for wrong in ["calls::ring", "calls::sleeps", "calls::helps", "other::rings", "rings", ""] {
            assert_eq!(of(wrong), 1, "{wrong}");
        }
        assert_eq!(faults("id\ttest\nx-01\n", &modules).len(), 1);
    }
}
