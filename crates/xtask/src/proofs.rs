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
    read(&root.join(SUITE), "", &mut modules)?;
    workspace::verdict("proofs", &faults(&table, &modules))
}

/// Reads the modules of a folder, and those in folders of their names (`sign_in::flow`).
fn read(folder: &Path, parent: &str, modules: &mut HashMap<String, String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).context(SUITE)? {
        let path = entry?.path();
        let Some(name) = path.file_stem() else { continue };
        let name = format!("{parent}{}", name.to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}::"), modules)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            modules.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// Whether the module that a module is in declares it, and the one that that is in.
fn is_declared(module: &str, modules: &HashMap<String, String>) -> bool {
    let (parent, name) = module.rsplit_once("::").unwrap_or(("main", module));
    let declares = modules.get(parent).is_some_and(|text| text.contains(&format!("mod {name};")));
    declares && (parent == "main" || is_declared(parent, modules))
}

fn faults(table: &str, modules: &HashMap<String, String>) -> Vec<String> {
    let rows = table.lines().skip(1).filter(|row| !row.is_empty());
    rows.filter_map(|row| {
        let Some((id, test)) = row.split_once('\t') else { return Some(format!("{PROVEN}: {row:?} names no test")) };
        let is_there = test.rsplit_once("::").is_some_and(|(module, function)| {
            is_declared(module, modules) && modules.get(module).is_some_and(|text| has_test(text, function))
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
        let calls = "mod held;\n#[test]\nfn rings() {}\n\n#[test]\n#[ignore]\nfn sleeps() {}\n\nfn helps() {}\n";
        let other = "#[test]\nfn rings() {}\n";
        let modules =
            [("main", main), ("calls", calls), ("calls::held", other), ("calls::lost", other), ("other", other)];
        let modules = modules.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let of = |test: &str| faults(&format!("id\ttest\nx-01\t{test}\n"), &modules).len();
        assert_eq!((of("calls::rings"), of("calls::held::rings")), (0, 0));
        for wrong in ["calls::lost::rings", "calls::ring", "calls::sleeps", "calls::helps", "other::rings", "rings", ""]
        {
            assert_eq!(of(wrong), 1, "{wrong}");
        }
        assert_eq!(faults("id\ttest\nx-01\n", &modules).len(), 1);
    }
}
