//! Tenants' files of earlier builds: each is imported as it is; of a line that is taken no more it is said which one it is, what is wrong with
//! it, and thereby how it is mended.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::installation::binary;

/// A file as a build had it, which nobody changes any more.
struct EarlierFile {
    name: &'static str,
    text: &'static str,
    /// Keys whose lines are warned of: what they name does not come with the program any more.
    warned: &'static [&'static str],
    /// How many objects there are of some kinds.
    objects: &'static [(&'static str, usize)],
}

static EARLIER: [EarlierFile; 3] = [
    EarlierFile {
        name: "first",
        text: include_str!("earlier_files/first.yaml"),
        warned: &["prompts.confirmation", "prompts.refusal"],
        objects: &[("person", 4), ("place", 4), ("skill", 3), ("application", 4), ("feature_code", 4), ("trunk", 1)],
    },
    EarlierFile {
        name: "agent-rules",
        text: include_str!("earlier_files/agent-rules.yaml"),
        warned: &[],
        objects: &[("person", 8), ("place", 8), ("skill", 3), ("application", 5), ("feature_code", 4), ("number", 6)],
    },
    EarlierFile {
        name: "build-before",
        text: include_str!("earlier_files/build-before.yaml"),
        warned: &[],
        objects: &[
            ("person", 8),
            ("agent_group", 2),
            ("action_code", 3),
            ("list", 1),
            ("place_group", 1),
            ("number", 6),
        ],
    },
];

const REFUSED: &str = include_str!("earlier_files/refused.yaml");
/// Of lines of [`REFUSED`]: the part that is taken no more, what is said of its line, and the part in its place.
static CHANGED: [(&str, &str, &str); 5] = [
    ("\"group:seniors\"", "group: begins what stands for members of groups", "seniors"),
    ("allow: [0.0.0.0/0]", "0.0.0.0/0 is everybody: name the carrier's networks", "allow: [198.51.100.0/24]"),
    (
        "contact: \"sip:sbc.carrier.example:5060\"",
        "it is written without `sip:`, as \"sbc.carrier.example:5060\"",
        "contact: \"sbc.carrier.example:5060\"",
    ),
    ("{0049: Germany}", "a key here is text, this is a number: put it in quotes", "{\"0049\": Germany}"),
    (
        "scopes: [statistics:read, operate]",
        "operate is for who runs the installation: no privilege of a person has it",
        "scopes: [statistics:read]",
    ),
];
/// What a command ends with that has found faults in a file.
const CHECK_FAILED: i32 = 6;
/// Faults of rules are told once nothing is wrong with the form of the file, those of references after that.
const ROUNDS_MAX: usize = 3;

/// A command on embedded stores in a folder of their own.
fn ran(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command.args(arguments).arg("--data-dir").arg(folder.join("data")).args(["--set", "stores.mode=embedded"]);
    Ok(command.env("LOGNAME", "tester").output()?)
}

fn said(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = ran(folder, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Puts a file into a folder, with the applications that it names beside it.
fn laid_out(folder: &Path, text: &str) -> Result<String> {
    let (from, to) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/applications"), folder.join("applications"));
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    let file = folder.join("tenant.yaml");
    std::fs::write(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

/// The number of the line, from 1, that contains a text.
fn line_of(text: &str, part: &str) -> Result<usize> {
    let at = text.lines().position(|line| line.contains(part));
    Ok(at.with_context(|| format!("no line has {part:?}"))? + 1)
}

/// The lines of an answer that are about a line of the file.
fn told_of_lines(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    text.lines().map(str::trim_start).filter(|line| line.starts_with("line ")).map(str::to_owned).collect()
}

#[test]
fn files_of_earlier_builds_are_imported_and_come_back_from_their_export() -> Result<()> {
    for earlier in &EARLIER {
        let folder = tempfile::tempdir()?;
        let (at, name) = (folder.path(), earlier.name);
        let file = laid_out(at, earlier.text)?;
        let output = ran(at, &["tenant", "import", &file])?;
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let told = told_of_lines(&output.stderr);
        for key in earlier.warned {
            let prompt = key.trim_start_matches("prompts.");
            let beginning = format!("line {}: {key}: ", line_of(earlier.text, &format!("{prompt}.wav"))?);
            ensure!(told.iter().any(|line| line.starts_with(&beginning)), "{name}: nothing of {key} in {told:?}");
        }
        ensure!(told.len() == earlier.warned.len(), "{name}: {told:?}");
        for (kind, count) in earlier.objects {
            let listed = said(at, &["tenant", "list", "example", "--kind", kind])?;
            ensure!(listed.lines().count() == *count, "{name}: {count} of {kind} are in the file: {listed}");
        }

        // It stands in the tables of this build as this build writes it: nothing is lost or made up on the way.
        let again: Value = serde_json::from_str(&said(at, &["tenant", "import", &file])?)?;
        ensure!(again["put"] == 0 && again["deleted"] == 0, "{name}: {again}");
        let exported = at.join("exported");
        said(at, &["tenant", "export", "example", &exported.to_string_lossy(), "--reveal-secrets"])?;
        let plan = said(at, &["tenant", "plan", &exported.join("example.yaml").to_string_lossy()])?;
        ensure!(plan == "0 new, 0 changed, 0 deleted\n", "{name}: {plan}");
    }
    Ok(())
}

#[test]
fn of_each_line_that_is_taken_no_more_it_is_said_which_it_is_and_how_it_is_mended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut text, mut mended) = (REFUSED.to_owned(), Vec::new());
    for _ in 0..ROUNDS_MAX {
        let file = laid_out(folder.path(), &text)?;
        let output = ran(folder.path(), &["tenant", "import", &file])?;
        let whole = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            ensure!(mended.len() == CHANGED.len(), "some of it is taken as it was: {mended:?} alone were refused");
            return Ok(());
        }
        ensure!(output.status.code() == Some(CHECK_FAILED), "{whole}");
        let before = mended.len();
        let mut next = text.clone();
        for fault in told_of_lines(&output.stderr) {
            let is_said = |(part, words, _): &&(&str, &str, &str)| {
                let line = line_of(&text, part).unwrap_or_default();
                fault.starts_with(&format!("line {line}: ")) && fault.contains(words)
            };
            let (part, _, instead) =
                CHANGED.iter().find(is_said).with_context(|| format!("{fault:?} is new: {whole}"))?;
            next = next.replace(part, instead);
            mended.push(*part);
        }
        ensure!(mended.len() > before, "nothing that can be mended is told: {whole}");
        text = next;
    }
    anyhow::bail!("it is refused still, after {mended:?} were mended")
}
