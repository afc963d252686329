//! Promises across releases: what programs of others build upon stands in `data/contract.tsv`, and nothing of it goes or changes unannounced.

mod grpc;
mod http;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::generate;

/// What is promised: a line each, sorted.
const CONTRACT: &str = "data/contract.tsv";
const HEAD: &str = "what\tname\tform\tdeprecated";
/// How a promise is taken back.
const HOW: &str = "Programs of others may use it. Put it back as it was, and mark it as deprecated: `[deprecated = true]` in proto/, \
                   `\"deprecated\": true` in an OpenAPI document; then `cargo xtask gen`, and a row under \"Breaking changes\" in \
                   CHANGELOG.md that names what is there instead. It may go in a release after the one that has said so, and its number \
                   stays `reserved`. What no release has had yet may be taken out of data/contract.tsv by hand \
                   (docs/adding/deprecation.md).";
/// The form of a parameter that a request must have, and of one that it may have.
const REQUIRED: &str = "required";
const OPTIONAL: &str = "optional";

/// What sort of thing a line promises, and its name.
type LineName = (String, String);

/// A line besides its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PromisedLine {
    /// What must stay as it is.
    form: String,
    /// The version of the sources that was the first to call it deprecated.
    deprecated: Option<String>,
}

/// What is declared now.
#[derive(Default)]
struct Declarations {
    /// The form of each, and whether it is marked as deprecated.
    lines: BTreeMap<LineName, (String, bool)>,
    /// The numbers of a message's fields, or of an enum's values, that nobody may take again: from, and up to without the last.
    reserved: Vec<(String, i64, i64)>,
}

impl Declarations {
    fn add(&mut self, what: &str, name: String, form: String, is_deprecated: bool) {
        self.lines.insert((what.to_owned(), name), (form, is_deprecated));
    }

    /// Whether the number of a field or value that is gone is taken for ever, or nothing is left that could have it.
    fn is_retired(&self, (what, name): &LineName) -> bool {
        let Some((holder, number)) = name.rsplit_once(' ').filter(|_| ["field", "value"].contains(&what.as_str()))
        else {
            return true;
        };
        let Ok(number) = number.parse::<i64>() else { return false };
        let is_reserved = self.reserved.iter().any(|(of, from, to)| of == holder && (*from..*to).contains(&number));
        let beginning = format!("{holder} ");
        is_reserved || !self.lines.keys().any(|(other, name)| other == what && name.starts_with(&beginning))
    }
}

/// `cargo xtask gen`: adds what is new, and notes what is deprecated since when. Takes no promise back.
pub fn write(root: &Path) -> Result<()> {
    let (now, version) = (declared(root)?, version(root)?);
    let before = committed(root)?.unwrap_or_default();
    are_kept(&before, &now, &version)?;
    std::fs::write(root.join(CONTRACT), text(&renewed(&before, &now, &version))).context(CONTRACT)
}

/// Fails if something that was promised is gone or is otherwise, or if the file lacks what is new.
pub fn check(root: &Path) -> Result<()> {
    let Some(before) = committed(root)? else { bail!("there is no {CONTRACT}: run `cargo xtask gen`") };
    let (now, version) = (declared(root)?, version(root)?);
    are_kept(&before, &now, &version)?;
    ensure!(renewed(&before, &now, &version) == before, "{CONTRACT} lacks what is new: run `cargo xtask gen`");
    eprintln!("contract: no faults");
    Ok(())
}

fn are_kept(before: &BTreeMap<LineName, PromisedLine>, now: &Declarations, version: &str) -> Result<()> {
    let broken = broken(before, now, version);
    ensure!(broken.is_empty(), "contract: {} promises are broken\n  {}\n{HOW}", broken.len(), broken.join("\n  "));
    Ok(())
}

/// What the sources declare: `proto/`, and the OpenAPI documents as they are committed.
fn declared(root: &Path) -> Result<Declarations> {
    let mut now = Declarations::default();
    grpc::read(&generate::descriptors(root)?, &mut now);
    http::read(root, &mut now)?;
    Ok(now)
}

/// The version of the sources.
fn version(root: &Path) -> Result<String> {
    let manifest: toml::Value =
        toml::from_str(&std::fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml")?)?;
    let version = manifest.get("workspace").and_then(|all| all.get("package")).and_then(|all| all.get("version"));
    Ok(version.and_then(toml::Value::as_str).context("Cargo.toml says no version")?.to_owned())
}

/// The promises of the file, or none where there is no file.
fn committed(root: &Path) -> Result<Option<BTreeMap<LineName, PromisedLine>>> {
    let path = root.join(CONTRACT);
    if !path.exists() {
        return Ok(None);
    }
    parsed(&std::fs::read_to_string(path).context(CONTRACT)?).map(Some)
}

fn parsed(text: &str) -> Result<BTreeMap<LineName, PromisedLine>> {
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [what, name, form, deprecated] = cells.as_slice() else {
                bail!("{CONTRACT}: {line:?} has no four cells")
            };
            let deprecated = Some(*deprecated).filter(|version| *version != "-").map(str::to_owned);
            Ok((((*what).to_owned(), (*name).to_owned()), PromisedLine { form: (*form).to_owned(), deprecated }))
        })
        .collect()
}

fn text(lines: &BTreeMap<LineName, PromisedLine>) -> String {
    let mut text = format!("{HEAD}\n");
    for ((what, name), line) in lines {
        let deprecated = line.deprecated.as_deref().unwrap_or("-");
        text += &format!("{what}\t{name}\t{}\t{deprecated}\n", line.form);
    }
    text
}

/// The file as it should be: what is declared, with the version that was the first to call it deprecated.
fn renewed(
    before: &BTreeMap<LineName, PromisedLine>,
    now: &Declarations,
    version: &str,
) -> BTreeMap<LineName, PromisedLine> {
    let line = |(name, (form, is_deprecated)): (&LineName, &(String, bool))| {
        let known = before.get(name).and_then(|line| line.deprecated.clone());
        let deprecated = is_deprecated.then(|| known.unwrap_or_else(|| version.to_owned()));
        (name.clone(), PromisedLine { form: form.clone(), deprecated })
    };
    now.lines.iter().map(line).collect()
}

/// Each promise that is not kept, as a sentence.
fn broken(before: &BTreeMap<LineName, PromisedLine>, now: &Declarations, version: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, was) in before {
        let called = format!("{} {}", name.0, name.1);
        match now.lines.get(name) {
            Some((form, _)) if *form == was.form || (was.form == REQUIRED && form == OPTIONAL) => {}
            Some((form, _)) => broken.push(format!("{called} was {:?}, and is {form:?} now", was.form)),
            None if was.deprecated.as_deref().is_none_or(|since| number(since) >= number(version)) => {
                broken.push(format!("{called} ({}) is gone", was.form));
            }
            None if !now.is_retired(name) => broken.push(format!("{called} is gone, and its number is not `reserved`")),
            None => {}
        }
    }
    // Whoever asks as before is refused.
    for ((what, name), (form, _)) in &now.lines {
        let is_new = what == "parameter" && form == REQUIRED && !before.contains_key(&(what.clone(), name.clone()));
        let operation = name.split(' ').take(2).collect::<Vec<_>>().join(" ");
        if is_new && before.contains_key(&("operation".to_owned(), operation)) {
            broken.push(format!("parameter {name} is new and required, of an operation that was there without it"));
        }
    }
    broken
}

/// A version as numbers, so that 0.10.0 is later than 0.9.0.
fn number(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "what\tname\tform\tdeprecated\n\
                          field\tx.A 1\tstring a\t-\n\
                          field\tx.A 2\tstring b\t0.1.0\n\
                          operation\tGET /a\tshow\t-\n\
                          parameter\tGET /a limit in query\trequired\t-\n";

    fn now(lines: &[(&str, &str, &str)]) -> Declarations {
        let mut now = Declarations::default();
        lines.iter().for_each(|(what, name, form)| now.add(what, (*name).to_owned(), (*form).to_owned(), false));
        now
    }

    const ALL: [(&str, &str, &str); 4] = [
        ("field", "x.A 1", "string a"),
        ("field", "x.A 2", "string b"),
        ("operation", "GET /a", "show"),
        ("parameter", "GET /a limit in query", "required"),
    ];

    fn faults(lines: &[(&str, &str, &str)], version: &str) -> Vec<String> {
        broken(&parsed(BEFORE).expect("a table"), &now(lines), version)
    }

    #[test]
    fn what_vanishes_or_changes_is_a_fault_and_what_is_new_is_none() {
        assert_eq!(faults(&ALL, "0.1.0"), Vec::<String>::new());
        assert_eq!(faults(&[&ALL[..], &[("field", "x.A 3", "string c")]].concat(), "0.1.0"), Vec::<String>::new());
        assert_eq!(faults(&ALL[1..], "0.1.0"), ["field x.A 1 (string a) is gone"]);
        let mut other = ALL;
        other[0].2 = "uint64 a";
        assert_eq!(faults(&other, "0.1.0"), ["field x.A 1 was \"string a\", and is \"uint64 a\" now"]);
        let relaxed = [&ALL[..3], &[("parameter", "GET /a limit in query", "optional")]].concat();
        assert_eq!(faults(&relaxed, "0.1.0"), Vec::<String>::new(), "whoever gave it may go on giving it");
        let asked = [&ALL[..], &[("parameter", "GET /a since in query", "required")]].concat();
        assert_eq!(faults(&asked, "0.1.0").len(), 1, "whoever does not give it is refused now");
        let new = [&ALL[..], &[("operation", "GET /b", "list"), ("parameter", "GET /b since in query", "required")]];
        assert_eq!(faults(&new.concat(), "0.1.0"), Vec::<String>::new());
    }

    #[test]
    fn what_is_deprecated_goes_one_release_later_and_leaves_its_number() {
        let without = [ALL[0], ALL[2], ALL[3]];
        assert_eq!(faults(&without, "0.1.0"), ["field x.A 2 (string b) is gone"]);
        assert_eq!(faults(&without, "0.2.0"), ["field x.A 2 is gone, and its number is not `reserved`"]);
        let mut now = now(&without);
        now.reserved.push(("x.A".to_owned(), 2, 3));
        let before = parsed(BEFORE).expect("a table");
        assert_eq!(broken(&before, &now, "0.2.0"), Vec::<String>::new());
        assert!(number("0.10.0") > number("0.9.0"));
    }

    #[test]
    fn the_file_says_since_when_something_is_deprecated() {
        let before = parsed(BEFORE).expect("a table");
        assert_eq!(text(&before), BEFORE);
        let mut now = now(&ALL);
        now.add("field", "x.A 1".to_owned(), "string a".to_owned(), true);
        now.add("field", "x.A 2".to_owned(), "string b".to_owned(), true);
        let renewed = renewed(&before, &now, "0.2.0");
        let since = |name: &str| renewed[&("field".to_owned(), name.to_owned())].deprecated.clone();
        assert_eq!((since("x.A 1").as_deref(), since("x.A 2").as_deref()), (Some("0.2.0"), Some("0.1.0")));
        assert!(parsed("head\nfield\tx.A 1\n").is_err());
    }
}
