//! `cargo xtask tidy`: checks lengths, names, types of one name, circles between modules, the functions that the walks name, the constants that the limits name, and text that must not be in a public tree.

use std::path::Path;

use anyhow::Result;

use crate::names::Names;
use crate::{circles, limits, walks, workspace};

/// Maximum of lines of a file without its tests.
const FILE_LINES_MAX: usize = 500;
/// Maximum of lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Words that do not describe a purpose.
const EMPTY_NAMES: &[&str] = &["manager", "helper", "util", "utils", "common"];
/// Paths of a developer's machine; written in halves so that this file passes.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
/// Private keys; in halves as above.
const KEYS: &[&str] = &[concat!("PRIVATE ", "KEY---")];
/// Extensions of binary files.
const BINARY: &[&str] = &["wav", "png", "ico", "woff2", "pcap", "bin"];

/// Checks every file of the tree.
pub fn check(root: &Path) -> Result<()> {
    let (mut faults, mut names) = (Vec::new(), Names::default());
    for path in workspace::files(root)? {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let is_input = path.starts_with("fuzz/corpus") || path.components().any(|part| part.as_os_str() == "torture");
        if BINARY.contains(&extension) || is_input {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
        let name = path.display().to_string();
        faults.extend(strangers(&name, &text));
        if extension == "rs" && !name.contains("/generated/") {
            faults.extend(rust(&name, &text));
            if !is_test(&name) {
                names.count(&text);
            }
        }
    }
    faults.extend(names.faults());
    faults.extend(circles::faults(root)?);
    faults.extend(walks::faults(root)?);
    faults.extend(limits::faults(root)?);
    workspace::verdict("tidy", &faults)
}

/// Finds machine paths and keys.
fn strangers(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in MACHINE_PATHS.iter().chain(KEYS) {
            // A machine path is at the start of a word; "lib/home/x" is something else.
            let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
            if line.match_indices(word).any(|(at, _)| begins(at)) {
                faults.push(format!("{name}:{}: {word:?} does not belong into the tree", number + 1));
            }
        }
    }
    faults
}

fn is_test(name: &str) -> bool {
    ["/tests/", "/benches/", "/examples/", "/conformance", "/test_"].iter().any(|part| name.contains(part))
        || name.ends_with("tests.rs")
}

fn rust(name: &str, text: &str) -> Vec<String> {
    let is_test = is_test(name);
    let is_tool = name.contains("/testkit/") || name.contains("/simnet/");
    let code: Vec<&str> = text.lines().collect();
    let code = without_tests(&code);
    let mut faults = Vec::new();
    if !is_test && code.len() > FILE_LINES_MAX {
        faults.push(format!("{name}: {} lines without tests, at most {FILE_LINES_MAX}", code.len()));
    }
    if !is_test {
        faults.extend(long_functions(name, code));
        faults.extend(code.iter().enumerate().filter_map(|(number, line)| {
            empty_name(line).map(|word| format!("{name}:{}: a name with {word:?} says nothing", number + 1))
        }));
    }
    if !is_test && !is_tool {
        let unwraps =
            code.iter().enumerate().filter(|(_, line)| is_code(line) && line.contains(concat!(".unwr", "ap()")));
        faults.extend(unwraps.map(|(number, _)| format!("{name}:{}: unwrap outside of tests", number + 1)));
    }
    faults
}

/// The lines before the file's own test module.
fn without_tests<'a, 'b>(lines: &'a [&'b str]) -> &'a [&'b str] {
    let end = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    &lines[..end.unwrap_or(lines.len())]
}

fn is_code(line: &str) -> bool {
    !line.trim_start().starts_with("//")
}

/// A function ends, as rustfmt writes it, at a brace with the indentation of its first line.
fn long_functions(name: &str, lines: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let words: Vec<&str> = body.split_whitespace().take(5).collect();
        let Some(at) = words.iter().position(|word| *word == "fn") else { continue };
        let leads = ["pub", "const", "async", "pub(crate)", "pub(super)", "pub(in"];
        if !words[..at].iter().all(|word| leads.contains(word) || word.starts_with("crate::")) {
            continue;
        }
        let indentation = &line[..line.len() - body.len()];
        let end = format!("{indentation}}}");
        let length = lines[start..].iter().position(|l| *l == end).map_or(1, |at| at + 1);
        // A declaration without a body ends at its semicolon.
        let head_ends = lines[start..].iter().position(|l| l.ends_with(';') || l.ends_with('{') || l.ends_with('}'));
        let is_declaration = head_ends.is_some_and(|at| lines[start + at].ends_with(';'));
        if !is_declaration && length > FUNCTION_LINES_MAX {
            let function = words.get(at + 1).copied().unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
            faults.push(format!("{name}:{}: {function} has {length} lines, at most {FUNCTION_LINES_MAX}", start + 1));
        }
    }
    faults
}

/// A meaningless word in the name of a type or module that this line declares.
fn empty_name(line: &str) -> Option<&'static str> {
    let words: Vec<&str> = line.split_whitespace().take(4).collect();
    let at = words.iter().position(|word| ["struct", "enum", "trait", "mod"].contains(word))?;
    if !words[..at].iter().all(|word| word.starts_with("pub")) {
        return None;
    }
    let name: String = words.get(at + 1)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    parts(&name).iter().find_map(|part| EMPTY_NAMES.iter().copied().find(|empty| part == empty))
}

/// `CallManager` and `call_manager` → call, manager.
fn parts(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            all.push(String::new());
        }
        if let (Some(last), true) = (all.last_mut(), c != '_') {
            last.extend(c.to_lowercase());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found_with_its_name() {
        let body = "    x();\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("fn short() {{\n    x();\n}}\n\npub async fn long(a: u8) {{\n{body}}}\n");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(long_functions("f.rs", &lines), ["f.rs:5: long has 72 lines, at most 70"]);
    }

    #[test]
    fn empty_names_are_found_as_whole_words() {
        assert_eq!(empty_name("pub struct CallManager {"), Some("manager"));
        assert_eq!(empty_name("mod sip_util;"), Some("util"));
        assert_eq!(empty_name("pub struct Futile;"), None);
        assert_eq!(empty_name("/// the struct Manager"), None);
    }

    #[test]
    fn unwrap_in_tests_and_in_comments_is_no_fault() {
        let text = "fn a() {\n    // .unwrap()\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() { x.unwrap() }\n}\n";
        assert_eq!(rust("crates/x/src/lib.rs", text), Vec::<String>::new());
        let text = "fn a() {\n    x.unwrap()\n}\n";
        assert_eq!(rust("crates/x/src/lib.rs", text), ["crates/x/src/lib.rs:2: unwrap outside of tests"]);
    }

    #[test]
    fn a_machines_path_is_found_only_where_a_word_begins() {
        let path = MACHINE_PATHS[0];
        assert_eq!(strangers("a.md", &format!("see {path}ann/x")).len(), 1);
        assert_eq!(strangers("a.md", &format!("see https://example.com{path}x")).len(), 0);
    }
}
