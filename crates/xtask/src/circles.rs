//! Part of `cargo xtask tidy`: finds circles of imports between sibling modules of a crate.
//!
//! Reads `use` declarations and paths within the code as text. An import counts for every ancestor of its module, so a folder is one module
//! towards its siblings. A child may use its parent: that is no circle among siblings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

/// A module's path within its crate; empty for the root.
type Module = Vec<String>;

/// Known circles that are not broken yet, as `crate parent: modules`. The list must only shrink.
const KNOWN: &[&str] = &[];

/// Every circle that is not known, and every known circle that no longer exists.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    let crates = root.join("crates");
    for entry in std::fs::read_dir(&crates).with_context(|| crates.display().to_string())? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut modules = BTreeMap::new();
        read(&folder.join("src"), &mut Vec::new(), &mut modules)?;
        found.extend(circles(&modules).into_iter().map(|circle| format!("{name} {circle}")));
    }
    let known: BTreeSet<String> = KNOWN.iter().map(|&circle| circle.to_owned()).collect();
    let new = found.difference(&known).map(|circle| format!("modules import each other in a circle: {circle}"));
    let gone = known.difference(&found).map(|circle| format!("no circle any more, remove it from the list: {circle}"));
    Ok(new.chain(gone).collect())
}

/// The modules of a folder with their text; those of tests and generated ones are left out.
fn read(folder: &Path, at: &mut Module, into: &mut BTreeMap<Module, String>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name == "tests" || name == "generated" {
            continue;
        }
        let is_root = at.is_empty() && (name == "lib" || name == "main");
        if !is_root {
            at.push(name);
        }
        if path.is_dir() {
            read(&path, at, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            into.insert(at.clone(), code);
        }
        if !is_root {
            at.pop();
        }
    }
    Ok(())
}

/// The circles among the children of each module, as `parent: child child`.
fn circles(modules: &BTreeMap<Module, String>) -> Vec<String> {
    let imports: Vec<(&Module, Module)> =
        modules.iter().flat_map(|(from, text)| targets(from, text, modules).map(move |to| (from, to))).collect();
    let parents: BTreeSet<&[String]> =
        modules.keys().flat_map(|module| (0..module.len()).map(|depth| &module[..depth])).collect();
    let mut found = Vec::new();
    for parent in parents {
        let child = |module: &Module| module.starts_with(parent).then(|| module.get(parent.len()).cloned()).flatten();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in &imports {
            if let (Some(from), Some(to)) = (child(from), child(to))
                && from != to
            {
                edges.entry(from).or_default().insert(to);
            }
        }
        for circle in components(&edges) {
            let name = if parent.is_empty() { "root".to_owned() } else { parent.join("::") };
            found.push(format!("{name}: {}", circle.into_iter().collect::<Vec<_>>().join(" ")));
        }
    }
    found
}

/// Strongly connected sets of more than one node.
fn components(edges: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = edges.keys().map(|from| (from, reached(from, edges))).collect();
    let reaches = |from: &String, to: &String| reach.get(from).is_some_and(|reached| reached.contains(to));
    let component = |of: &&String| -> BTreeSet<String> {
        edges.keys().filter(|other| reaches(of, other) && reaches(other, of)).cloned().collect()
    };
    edges.keys().map(|module| component(&module)).filter(|component| component.len() > 1).collect()
}

fn reached<'a>(from: &'a String, edges: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        next.extend(edges.get(module).into_iter().flatten().filter(|to| reached.insert(*to)));
    }
    reached
}

/// The modules of the crate that a module names.
fn targets<'a>(
    from: &'a Module,
    text: &'a str,
    modules: &'a BTreeMap<Module, String>,
) -> impl Iterator<Item = Module> + 'a {
    let imported = declarations(text).into_iter().flat_map(|declaration| paths(&declaration));
    imported.chain(inline(text)).filter_map(move |path| {
        let mut names: Vec<String> = path.split("::").map(|name| name.trim().to_owned()).collect();
        let mut base = from.clone();
        match names.first().map(String::as_str) {
            Some("crate") => {
                base.clear();
                names.remove(0);
            }
            Some("self") => drop(names.remove(0)),
            Some("super") => {
                while names.first().is_some_and(|name| name == "super") {
                    names.remove(0);
                    base.pop();
                }
            }
            _ => return None,
        }
        let whole: Module = base.iter().cloned().chain(names).collect();
        let depth = (base.len()..=whole.len()).rev().find(|&depth| modules.contains_key(&whole[..depth]))?;
        Some(whole[..depth].to_vec()).filter(|to| to != from)
    })
}

/// The text between `use` and its semicolon, on one line.
fn declarations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub(super) ")).unwrap_or(line);
        let Some(begun) = line.strip_prefix("use ") else { continue };
        let mut declaration = begun.to_owned();
        while !declaration.contains(';') {
            let Some(more) = lines.next() else { break };
            declaration.push(' ');
            declaration.push_str(more.trim());
        }
        found.push(declaration.split(';').next().unwrap_or_default().to_owned());
    }
    found
}

/// The paths outside of `use` declarations and visibilities that begin at the crate or at a parent.
fn inline(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
            let before = &code[..at];
            if before.ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c)) || before.ends_with("(in ") {
                continue;
            }
            let path = &code[at..];
            let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(path.len());
            found.push(path[..end].trim_end_matches(':').to_owned());
        }
    }
    found
}

/// The single paths of a declaration: `a::{b, c::{d}}` is `a::b` and `a::c::d`.
fn paths(declaration: &str) -> Vec<String> {
    let Some((before, rest)) = declaration.split_once('{') else { return vec![declaration.trim().to_owned()] };
    let Some((inside, _)) = rest.rsplit_once('}') else { return Vec::new() };
    let mut found = Vec::new();
    let (mut depth, mut begin) = (0_u32, 0);
    for (at, letter) in inside.char_indices().chain([(inside.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let part = inside[begin..at].trim();
                if !part.is_empty() {
                    found.extend(paths(&format!("{}{part}", before.trim())));
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
        let module = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect()
    }

    #[test]
    fn a_circle_is_found_across_folders_and_braces() {
        let modules = tree(&[
            ("", ""),
            ("a", ""),
            ("a/x", "use crate::{c, b::{y, z::Z}};"),
            ("b", ""),
            ("b/y", "pub(crate) use crate::\n    a::X;"),
            ("c", "use std::fmt;"),
        ]);
        assert_eq!(circles(&modules), ["root: a b"]);
    }

    #[test]
    fn a_path_without_an_import_counts() {
        let modules = tree(&[
            ("", ""),
            ("a", "pub(in crate::b) fn f() { crate::b::g(); } // crate::c"),
            ("b", "fn g() -> super::a::A {}"),
            ("c", "pub(in crate::a) struct C;"),
        ]);
        assert_eq!(circles(&modules), ["root: a b"]);
    }

    #[test]
    fn a_child_may_use_its_parent_and_siblings_each_other_in_one_direction() {
        let modules = tree(&[("", ""), ("a", "use x::Y;"), ("a/x", "use super::A;"), ("a/y", "use super::x::X;")]);
        assert_eq!(circles(&modules), Vec::<String>::new());
    }
}
