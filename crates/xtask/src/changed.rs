//! `cargo xtask changed`: what a change can reach, for `script/test --changed`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace::{self, Package};

/// What is to be checked after a change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reachable {
    /// The packages with a changed file, and all that use them.
    packages: BTreeSet<String>,
    /// Whether the pages are concerned.
    pages: bool,
    system: SystemTests,
}

/// Modules of the system tests.
#[derive(Debug, PartialEq, Eq)]
enum SystemTests {
    All,
    Of(BTreeSet<String>),
}

impl Default for SystemTests {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

impl SystemTests {
    fn add(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::Of(modules), Self::Of(more)) => modules.extend(more),
            _ => *self = Self::All,
        }
    }
}

impl fmt::Display for Reachable {
    /// A line each for `script/test`: `packages NAME...`, `pages`, `system all`, `system MODULE...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        writeln!(f, "packages {}", list(&self.packages))?;
        if self.pages {
            writeln!(f, "pages")?;
        }
        match &self.system {
            SystemTests::All => writeln!(f, "system all"),
            SystemTests::Of(modules) => writeln!(f, "system {}", list(modules)),
        }
    }
}

/// Prints what the changes since `base` can reach: those that are committed and those that are not.
pub fn print(root: &Path, base: &str) -> Result<()> {
    let text = std::fs::read_to_string(root.join("data/reach.tsv")).context("data/reach.tsv")?;
    let reach = Reach::parse(&text)?;
    let plan = plan(&changed_files(root, base)?, &workspace::packages(root)?, root, &reach);
    // The lines are read by a script.
    #[expect(clippy::print_stdout, reason = "the output of the task")]
    {
        print!("{plan}");
    }
    Ok(())
}

fn changed_files(root: &Path, base: &str) -> Result<Vec<String>> {
    let git = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git").args(arguments).current_dir(root).output().context("running git")?;
        ensure!(output.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let since = git(&["diff", "--name-only", "--no-renames", "--merge-base", base])?;
    let new = git(&["ls-files", "--others", "--exclude-standard"])?;
    Ok(since.lines().chain(new.lines()).map(str::to_owned).collect())
}

fn plan(files: &[String], packages: &[Package], root: &Path, reach: &Reach) -> Reachable {
    let mut plan = Reachable::default();
    for file in files {
        plan.system.add(reach.of(file));
        // The types of the pages come from the documents of the APIs.
        plan.pages |= file.starts_with("web/") || file.starts_with("docs/openapi/");
        match packages.iter().find(|package| contains(package, root, file)) {
            Some(package) => plan.packages.extend(users_of(&package.name, packages)),
            None if concerns_all_packages(file) => {
                plan.packages.extend(packages.iter().map(|package| package.name.clone()));
            }
            None => {}
        }
    }
    plan
}

fn contains(package: &Package, root: &Path, file: &str) -> bool {
    package.manifest_path.parent().is_some_and(|folder| root.join(file).starts_with(folder))
}

fn concerns_all_packages(file: &str) -> bool {
    ["Cargo.toml", "Cargo.lock", "proto/", "data/", ".cargo/"].iter().any(|beginning| file.starts_with(beginning))
}

/// A package with all that depend on it, directly or not.
fn users_of(name: &str, packages: &[Package]) -> BTreeSet<String> {
    let mut found = BTreeSet::from([name.to_owned()]);
    loop {
        let uses = |package: &&Package| package.dependencies.iter().any(|dependency| found.contains(&dependency.name));
        let more: Vec<String> = packages.iter().filter(uses).map(|package| package.name.clone()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// What changes reach among the system tests, by path.
struct Reach(Vec<(String, Vec<String>)>);

impl Reach {
    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let line = |line: &str| {
            let (path, tests) = line.split_once('\t').with_context(|| format!("no tests in {line:?}"))?;
            Ok((path.to_owned(), tests.split(' ').map(str::to_owned).collect()))
        };
        Ok(Self(lines.map(line).collect::<Result<_>>()?))
    }

    fn of(&self, file: &str) -> SystemTests {
        // A changed test reaches itself.
        if let Some(module) = file.strip_prefix("crates/testkit/tests/it/")
            && let Some((module, _)) = module.split_once(['/', '.'])
            && module != "main"
        {
            return SystemTests::Of(BTreeSet::from([module.to_owned()]));
        }
        let begins =
            |path: &str| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']));
        let longest = self.0.iter().filter(|(path, _)| begins(path)).max_by_key(|(path, _)| path.len());
        match longest.map(|(_, tests)| tests.iter().map(String::as_str).collect::<Vec<_>>()).as_deref() {
            None | Some(["all"]) => SystemTests::All,
            Some(["none"]) => SystemTests::default(),
            Some(tests) => SystemTests::Of(tests.iter().map(|&module| module.to_owned()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, uses: &[&str]) -> Package {
        let dependencies = uses.iter().map(|name| Dependency { name: (*name).to_owned(), kind: None }).collect();
        Package { name: name.to_owned(), manifest_path: format!("/tree/crates/{name}/Cargo.toml").into(), dependencies }
    }

    fn planned(files: &[&str]) -> String {
        let packages = [
            package("sip", &[]),
            package("voice", &["sip"]),
            package("pulse", &[]),
            package("app", &["voice", "pulse"]),
        ];
        let reach =
            "# comment\npath\ttests\ndocs\tnone\ncrates/pulse\twallboard\ncrates/voice/src/rq\trouting\nweb\tbrowser\n";
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        plan(&files, &packages, Path::new("/tree"), &Reach::parse(reach).unwrap()).to_string()
    }

    #[test]
    fn a_change_reaches_its_package_and_whoever_uses_it() {
        assert_eq!(planned(&["crates/voice/src/rq/parts.rs"]), "packages app voice\nsystem routing\n");
        assert_eq!(
            planned(&["crates/voice/src/rq.rs", "crates/pulse/src/lib.rs"]),
            "packages app pulse voice\nsystem routing wallboard\n"
        );
        assert_eq!(planned(&["crates/sip/src/lib.rs", "docs/a.md"]), "packages app sip voice\nsystem all\n");
    }

    #[test]
    fn what_is_no_code_reaches_no_package() {
        assert_eq!(planned(&["docs/a.md"]), "packages \nsystem \n");
        assert_eq!(planned(&["web/src/a.ts"]), "packages \npages\nsystem browser\n");
        assert_eq!(planned(&["Cargo.lock"]), "packages app pulse sip voice\nsystem all\n");
        assert_eq!(planned(&[]), "packages \nsystem \n");
    }

    #[test]
    fn a_changed_test_reaches_itself() {
        assert_eq!(planned(&["crates/testkit/tests/it/rows/monitor.rs"]), "packages \nsystem rows\n");
        assert_eq!(planned(&["crates/testkit/tests/it/main.rs"]), "packages \nsystem all\n");
    }
}
