//! `cargo xtask check-layers`: checks the imports between crates against `layers.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::workspace::{self, Package};

/// The layer of crates that contain roles.
const ROLE_LAYER: u8 = 6;

#[derive(Deserialize)]
struct Rules {
    layers: BTreeMap<String, u8>,
    development: Development,
    allow: BTreeMap<String, String>,
    deny: BTreeMap<String, String>,
    /// Layer → packages from outside that it must not use.
    ban: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Development {
    crates: Vec<String>,
}

/// Checks every edge and every role's imports.
pub fn check(root: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root.join("layers.toml")).context("reading layers.toml")?;
    let rules: Rules = toml::from_str(&text).context("layers.toml")?;
    let packages = workspace::packages(root)?;
    let mut faults = edges(&rules, &packages);
    for package in packages.iter().filter(|p| rules.layers.get(&p.name) == Some(&ROLE_LAYER)) {
        let source = package.manifest_path.parent().unwrap_or(root).join("src");
        faults.extend(role_imports(&source)?);
    }
    workspace::verdict("check-layers", &faults)
}

fn edges(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        if rules.development.crates.contains(&package.name) {
            continue;
        }
        let Some(layer) = rules.layers.get(&package.name) else {
            faults.push(format!("{} has no layer in layers.toml", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_dev = dependency.kind.as_deref() == Some("dev");
            faults.extend(edge(rules, &package.name, *layer, &dependency.name, is_dev));
        }
    }
    faults
}

fn edge(rules: &Rules, from: &str, layer: u8, to: &str, is_dev: bool) -> Option<String> {
    if rules.development.crates.iter().any(|name| name == to) {
        return (!is_dev).then(|| format!("{from} -> {to}: a development crate outside of dev-dependencies"));
    }
    let Some(target) = rules.layers.get(to) else {
        let banned = rules.ban.get(&layer.to_string()).is_some_and(|names| names.iter().any(|name| name == to));
        let excused = rules.allow.contains_key(&format!("{from} -> {to}"));
        return (banned && !excused && !is_dev).then(|| format!("{from} -> {to}: banned in layer {layer}"));
    };
    if rules.allow.contains_key(&format!("{from} -> {to}")) {
        return None;
    }
    let denied = |key: String| rules.deny.get(&key).map(|reason| format!("{from} -> {to}: {reason}"));
    if *target >= layer {
        return Some(format!("{from} (layer {layer}) -> {to} (layer {target}): only lower layers may be used"));
    }
    denied(format!("{layer} -> {to}")).or_else(|| denied(format!("{layer} -> {target}")))
}

/// Finds imports of one role by another of its crate; tests that simulate several roles together are exempt.
fn role_imports(source: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(source, &mut files)?;
    let relative = |path: &Path| path.strip_prefix(source).unwrap_or(path).to_path_buf();
    let roles: Vec<String> = files
        .iter()
        .filter(|(path, text)| relative(path).components().count() == 1 && text.contains("pub const SPEC: RoleSpec"))
        .filter_map(|(path, _)| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    let mut faults = Vec::new();
    for (path, text) in &files {
        let inside = relative(path);
        let top = inside.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let own = top.unwrap_or_default();
        let own = own.trim_end_matches(".rs");
        let of_tests = inside.components().any(|part| part.as_os_str() == "tests");
        if of_tests || !roles.iter().any(|role| role == own) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let other = roles.iter().find(|role| *role != own && names(line, role));
            if let Some(other) = other {
                faults.push(format!("{}:{}: {own} imports the role {other}", path.display(), number + 1));
            }
        }
    }
    Ok(faults)
}

/// Whether the line has `crate::<role>` as a whole word.
fn names(line: &str, role: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::").any(|(at, prefix)| {
        let rest = &code[at + prefix.len()..];
        rest.strip_prefix(role).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

fn collect(folder: &Path, into: &mut Vec<(std::path::PathBuf, String)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path)?;
            into.push((path, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        toml::from_str(
            "[layers]\nmodel = 1\nsip = 2\ncall = 3\ninfra = 4\n[development]\ncrates = [\"simnet\"]\n\
             [allow]\n[deny]\n\"3 -> 2\" = \"engines know no protocol\"\n[ban]\n2 = [\"tokio\"]\n",
        )
        .unwrap()
    }

    #[test]
    fn only_lower_layers_may_be_used() {
        let rules = rules();
        assert_eq!(edge(&rules, "sip", 2, "model", false), None);
        assert!(edge(&rules, "model", 1, "sip", false).unwrap().contains("only lower layers"));
        assert!(edge(&rules, "call", 3, "sip", false).unwrap().contains("engines know no protocol"));
        assert!(edge(&rules, "sip", 2, "tokio", false).unwrap().contains("banned in layer 2"));
        assert_eq!(edge(&rules, "infra", 4, "tokio", false), None);
        assert_eq!(edge(&rules, "sip", 2, "simnet", true), None);
        assert!(edge(&rules, "sip", 2, "simnet", false).is_some());
    }

    #[test]
    fn an_import_of_another_role_is_seen_but_not_a_longer_name() {
        assert!(names("use crate::rq::Decision;", "rq"));
        assert!(!names("use crate::rq_wire::Decision;", "rq"));
        assert!(!names("// see crate::rq", "rq"));
    }
}
