//! The walks through the code: each function stands in the file that its row names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const PAGE: &str = "docs/internals/walks.md";
const SOURCES: [&str; 3] = [".rs", ".ts", ".tsx"];

/// Rows that name a missing file or a function that is not in its file.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(PAGE)).with_context(|| PAGE.to_owned())?;
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (file, function) in steps(line) {
            let source = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
            let name = function.rsplit("::").next().unwrap_or_default();
            if !defines(&source, name) {
                faults.push(format!("{PAGE}:{}: {} has no function `{function}`", number + 1, file.display()));
            }
        }
    }
    Ok(faults)
}

/// The functions of a row, each with its file. What stands in parentheses is no step: `commit` (of `CallLedger`).
fn steps(line: &str) -> Vec<(PathBuf, String)> {
    let mut cells = line.split('|').skip(1);
    let is_row = cells.next().is_some_and(|step| step.trim().parse::<u16>().is_ok());
    let Some(cell) = cells.next().filter(|_| is_row) else { return Vec::new() };
    let (mut file, mut found) = (PathBuf::new(), Vec::new());
    let mut before = "";
    for (at, part) in cell.split('`').enumerate() {
        if at % 2 == 0 {
            before = part;
        } else if SOURCES.iter().any(|extension| part.ends_with(extension)) {
            file = if part.contains('/') { PathBuf::from(part) } else { file.with_file_name(part) };
        } else if !before.trim_end().ends_with("(of") && !before.trim_end().ends_with("(in") {
            found.push((file.clone(), part.to_owned()));
        }
    }
    found
}

fn defines(source: &str, name: &str) -> bool {
    ["fn ", "function ", "const "].iter().any(|keyword| {
        source
            .match_indices(&format!("{keyword}{name}"))
            .any(|(at, found)| !source[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_functions_of_several_files() {
        let row = "| 3 | `a/b.rs`: `T::one` → `two` (of `U`), then `c.rs`: `T::three` | What `it` does |";
        let steps = steps(row);
        let expected = [("a/b.rs", "T::one"), ("a/b.rs", "two"), ("a/c.rs", "T::three")];
        assert_eq!(steps, expected.map(|(file, function)| (PathBuf::from(file), function.to_owned())));
        assert!(super::steps("| `a.rs` (rows 2) | `why` |").is_empty());
    }

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        assert!(defines("pub async fn take(&self)", "take") && defines("export function frame<T>()", "frame"));
        assert!(defines("const onEvent = (event) => {", "onEvent"));
        assert!(!defines("fn take_more()", "take") && !defines("// take", "take"));
    }
}
