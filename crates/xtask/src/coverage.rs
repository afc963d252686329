//! Compares the number of published connections in the book with the program's. It must never fall.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const PAGE: &str = "docs/topology.md";

/// The number of published connections in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    there: u32,
    proven: u32,
}

/// Compares the page with the output of `trunkline topology --coverage`, and with the page of the last commit.
pub fn check(root: &Path, mut program: Command) -> Result<()> {
    let output = program.args(["topology", "--coverage"]).output().context("running trunkline")?;
    ensure!(output.status.success(), "trunkline topology --coverage failed");
    let printed = String::from_utf8_lossy(&output.stdout);
    let sentence = printed.lines().last().context("trunkline topology --coverage says nothing")?;
    let page = std::fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    ensure!(page.contains(sentence), "{PAGE} does not say what the program does: \"{sentence}\"");
    let now = read(&page).with_context(|| format!("no sum of connections in {PAGE}"))?;
    // A tree without history has no earlier number.
    if let Some(before) = committed(root).as_deref().and_then(read) {
        ensure!(
            now.there >= before.there && now.proven >= before.proven,
            "fewer connections than in the last commit: {now:?}, before {before:?}"
        );
    }
    Ok(())
}

fn committed(root: &Path) -> Option<String> {
    let output = Command::new("git").args(["show", &format!("HEAD:{PAGE}")]).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads `36 of 146 published connections: 20 proven, ...`.
fn read(text: &str) -> Option<Said> {
    let (before, after) = text.split_once(" of 146 published connections: ")?;
    let there = before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let proven = after.split(' ').next()?.parse().ok()?;
    Some(Said { there, proven })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_is_read_wherever_it_stands() {
        let text = "Coverage: 36 of 146 published connections: 20 proven, 16 declared; 110 not yet.\n";
        assert_eq!(read(text), Some(Said { there: 36, proven: 20 }));
        assert_eq!(read("nothing of the kind"), None);
    }
}
