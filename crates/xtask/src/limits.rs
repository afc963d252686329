//! The page of limits: what a row names is in a file that the row names, a constant by its declaration.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const PAGE: &str = "docs/limits.md";
const SOURCES: [&str; 3] = [".rs", ".js", ".ts"];

/// Rows that name no file, a missing one, or something that is in none of their files.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(PAGE)).with_context(|| PAGE.to_owned())?;
    let (mut faults, mut before) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let Some(cell) = last_cell(line) else { continue };
        let (names, files) = named(cell, &before);
        let sources = files.iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap_or_default());
        let sources: String = sources.collect();
        let place = format!("{PAGE}:{}", number + 1);
        faults.extend(files.is_empty().then(|| format!("{place} names no file")));
        let missing = files.iter().filter(|file| !root.join(file).is_file());
        faults.extend(missing.map(|file| format!("{place}: there is no {}", file.display())));
        let unknown = names.iter().filter(|name| !holds(&sources, name));
        faults.extend(unknown.map(|name| format!("{place}: `{name}` is in no file of the row")));
        before = files;
    }
    Ok(faults)
}

/// The last cell of a row: what holds the bound in the code.
fn last_cell(line: &str) -> Option<&str> {
    let cell = line.strip_prefix("| ")?.strip_suffix('|')?.rsplit(" | ").next()?.trim();
    (cell != "in the code").then_some(cell)
}

/// The names and the files of a cell; `the same` stands for the files of the row before.
fn named<'a>(cell: &'a str, before: &[PathBuf]) -> (Vec<&'a str>, Vec<PathBuf>) {
    let (mut names, mut files) = (Vec::new(), Vec::<PathBuf>::new());
    for (at, part) in cell.split('`').enumerate() {
        if at % 2 == 1 {
            names.push(part.rsplit("::").next().unwrap_or(part));
            continue;
        }
        if part.contains("the same") {
            files.extend_from_slice(before);
        }
        let words = part.split([' ', ',', ';']).filter(|word| SOURCES.iter().any(|end| word.ends_with(end)));
        for word in words {
            let file = match word.split_once('/') {
                Some(("web", rest)) => Path::new("web").join(rest),
                Some((package, rest)) => Path::new("crates").join(package).join("src").join(rest),
                None => files.last().map(|file| file.with_file_name(word)).unwrap_or_default(),
            };
            files.push(file);
        }
    }
    (names, files)
}

/// Whether the sources declare a constant (`NAME_*`: one that begins so), or have another name as a word.
fn holds(sources: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let is_constant = name.chars().all(|c| !c.is_lowercase());
    let (name, is_whole) = name.strip_suffix('*').map_or((name, true), |name| (name, false));
    sources.match_indices(name).any(|(at, _)| {
        let (front, rest) = (&sources[..at], &sources[at + name.len()..]);
        let is_declared = ["const ", "static "].iter().any(|keyword| front.ends_with(keyword));
        let begins = if is_constant { is_declared } else { !front.ends_with(is_part) };
        begins && !(is_whole && rest.starts_with(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_constants_and_their_files() {
        let cell = last_cell("| what | 3 | 503 | `T::A_MAX`, sip/a/b.rs; `two`, c.rs |").expect("a cell");
        let files = vec![PathBuf::from("crates/sip/src/a/b.rs"), PathBuf::from("crates/sip/src/a/c.rs")];
        assert_eq!(named(cell, &[]), (vec!["A_MAX", "two"], files.clone()));
        assert_eq!(named("`B`, the same", &files), (vec!["B"], files));
        assert!(last_cell("| what | accepted | outside | in the code |").is_none() && last_cell("|---|---|").is_none());
    }

    #[test]
    fn a_constant_counts_where_it_is_declared() {
        assert!(holds("pub const A_MAX: u8 = 3;", "A_MAX") && holds("const A_B: u8 = 3;", "A_*"));
        assert!(!holds("use crate::A_MAX;", "A_MAX") && !holds("const A_MAXIMUM: u8 = 3;", "A_MAX"));
        assert!(holds("fn two() {}", "two") && !holds("fn twofold() {}", "two"));
    }
}
