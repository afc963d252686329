//! The installation that is upgraded: real servers, a process for each role, and the programs of both builds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use testkit::clock::{self, Micros};
use testkit::facts::tenant_role;
use testkit::installation::binary;
use testkit::{Infra, Installation, kernel};

use crate::large_tenant;
use crate::later_objects;
use crate::options::UpgradeOptions;

/// Calls outlast it: what is tested is that they go on after the start.
const ARGUMENTS: [&str; 3] = ["--processes", "--set", "process.drain_deadline=5s"];
/// Port 8888 of the role tenant.
const OBJECTS: u16 = 8_888;
/// How processes end that were told to: in time, or with calls that outlast the drain.
const ORDERLY: [i32; 2] = [0, 7];
/// Processes of the new build that open the store at the same time.
const FIRST_PROCESSES: usize = 3;
/// Somebody reads for long what the steps change, as for a dump: shorter than a step waits for its locks.
const LONG_READ: &str = "begin isolation level repeatable read; select count(*) from person; select count(*) from change_log; \
                         select pg_sleep(3); commit";
/// So long before the steps it begins.
const READ_BEFORE: Duration = Duration::from_millis(500);
/// Who edits: the same subject for each build, so that an edit may be repeated under its key.
pub const EDITOR: &str = "tool/upgrade";

/// One of the two builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// That of the release before.
    Old,
    /// The present one.
    New,
}

impl Build {
    /// The one that it replaces, or is replaced by.
    pub const fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// All processes have ended and have been started with the other build.
#[derive(Clone, Copy, Debug)]
pub struct Changeover {
    /// How the supervisor has ended.
    pub exit_code: i32,
    /// From the signal until all had ended.
    pub stop: Duration,
    /// From the start until all roles were ready.
    pub start: Duration,
}

/// What the first processes of the new build have done to the tables.
#[derive(Clone, Copy, Debug)]
pub struct TableSteps {
    /// Steps that the tables had before.
    pub before: u32,
    /// Steps that they have now.
    pub after: u32,
    /// When the first of the processes was started.
    pub from: Micros,
    /// When the last one had ended.
    pub until: Micros,
}

/// Files of all tenants with secrets in clear, for the build before. They are gone when it is dropped.
pub struct ClearExport {
    _folder: TempDir,
    files: Vec<PathBuf>,
}

/// The installation under upgrade.
pub struct UpgradeSite {
    /// It ends before its servers do.
    installation: Option<Installation>,
    infra: Infra,
    instance: u8,
    old: PathBuf,
    new: PathBuf,
    keep: Option<PathBuf>,
    runs: u32,
}

impl UpgradeSite {
    /// Starts servers and the old build with the example tenant.
    pub fn start(options: &UpgradeOptions) -> Result<Self> {
        let new = options.new.clone().map_or_else(binary, Ok)?;
        for program in [&options.old, &new] {
            ensure!(program.is_file(), "there is no program {}", program.display());
        }
        // Relative paths would be looked up in the folders of others.
        let (old, new) = (options.old.canonicalize()?, new.canonicalize()?);
        let (instance, keep) = (options.instance, options.keep.clone());
        let infra = Infra::up(instance)?;
        let installation = Installation::start_program(&old, instance, &ARGUMENTS).context("the build before")?;
        Ok(Self { installation: Some(installation), infra, instance, old, new, keep, runs: 0 })
    }

    /// What the harness knows of the running installation.
    pub fn installation(&self) -> Result<&Installation> {
        self.installation.as_ref().context("the installation does not run")
    }

    /// Port 8888.
    pub fn objects(&self) -> Result<SocketAddr> {
        Ok(tenant_role(self.installation()?, OBJECTS))
    }

    fn program(&self, build: Build) -> &PathBuf {
        match build {
            Build::Old => &self.old,
            Build::New => &self.new,
        }
    }

    /// What a command of a build prints.
    pub fn said(&self, build: Build, arguments: &[&str]) -> Result<String> {
        self.said_of(self.installation()?, build, arguments)
    }

    /// The same about an installation that may have ended.
    fn said_of(&self, installation: &Installation, build: Build, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.program(build));
        command.args(arguments).args(["--instance", &self.instance.to_string(), "--data-dir"]);
        let output = command.arg(installation.data_dir()).args(installation.stores()).output()?;
        ensure!(
            output.status.success(),
            "{build:?} build, trunkline {}: {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A token of a build for who edits the generated tenant.
    pub fn token(&self, build: Build) -> Result<String> {
        let of = ["token", "--tenant", large_tenant::TENANT, "--sub", EDITOR];
        self.said(build, &[&of[..], &["--scope", "config:read", "--scope", "config:write"]].concat())
    }

    /// Imports the generated tenant with so many people, by the old build.
    pub fn import_large(&self, people: u32) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("large.yaml");
        std::fs::write(&file, large_tenant::file(people))?;
        self.said(Build::Old, &["tenant", "import", &file.to_string_lossy()])?;
        Ok(())
    }

    /// All tenants as the new build exports them for the one before, without what that does not know.
    pub fn export_in_clear(&self) -> Result<ClearExport> {
        let folder = tempfile::tempdir()?;
        let mut files = Vec::new();
        for tenant in self.psql("select id from tenant order by id")?.lines() {
            let of_tenant = folder.path().join(tenant);
            self.said(Build::New, &["tenant", "export", tenant, &of_tenant.to_string_lossy(), "--reveal-secrets"])?;
            let file = of_tenant.join(format!("{tenant}.yaml"));
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            std::fs::write(&file, later_objects::taken_out(&text))?;
            files.push(file);
        }
        ensure!(!files.is_empty(), "there is no tenant to export");
        Ok(ClearExport { _folder: folder, files })
    }

    /// Runs a statement on the database.
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.infra.psql(sql)
    }

    fn table_steps(&self) -> Result<u32> {
        let count = self.psql("select count(*) from _sqlx_migrations where success")?;
        count.parse().with_context(|| format!("steps of the tables: {count}"))
    }

    /// The first processes of the new build open the store, several at a time, while a long read is open: one of them brings the tables up
    /// to date.
    pub fn bring_tables_up_to_date(&self) -> Result<TableSteps> {
        let before = self.table_steps()?;
        let from = clock::now();
        let arguments = ["tenant", "list", large_tenant::TENANT, "--kind", "skill"];
        let (read, listed): (Result<()>, Vec<Result<String>>) = std::thread::scope(|scope| {
            let reading = scope.spawn(|| self.psql(LONG_READ));
            let began = clock::pass(READ_BEFORE);
            let list = || self.said(Build::New, &arguments);
            let running: Vec<_> = (0..FIRST_PROCESSES).map(|_| scope.spawn(list)).collect();
            let panicked = |_| Err(anyhow::anyhow!("the command has panicked"));
            let listed = running.into_iter().map(|one| one.join().unwrap_or_else(panicked)).collect();
            let read = reading.join().unwrap_or_else(panicked).map(drop);
            (began.and(read), listed)
        });
        let until = clock::now();
        read.context("the long read")?;
        for said in listed {
            let said = said?;
            ensure!(said.contains(large_tenant::SKILL), "the new build lists the skills as {said:?}");
        }
        Ok(TableSteps { before, after: self.table_steps()?, from, until })
    }

    /// The processes by their nodes.
    pub fn processes(&self) -> Result<BTreeMap<String, u32>> {
        kernel::processes(self.installation()?.pid())
    }

    /// Kills the process of a role, as a machine does that runs out of memory; the supervisor starts another one.
    pub fn kill(&self, role: &str) -> Result<()> {
        let processes = self.processes()?;
        let found = processes.iter().find(|(node, _)| node.rsplit_once('-').is_some_and(|(name, _)| name == role));
        let (_, pid) = found.with_context(|| format!("no process of {role}"))?;
        let done = Command::new("kill").args(["-9", &pid.to_string()]).status()?;
        ensure!(done.success(), "{role}, process {pid}, cannot be killed");
        Ok(())
    }

    /// Ends all processes, like an operator, imports by this build what was exported for it, and starts all with it.
    pub fn change_over(&mut self, build: Build, exported: Option<ClearExport>) -> Result<Changeover> {
        let (mut installation, from) = (self.take()?, clock::now());
        let exit_code = installation.stop().context("the processes do not end")?;
        let stopped = clock::now();
        self.keep_log(&installation)?;
        ensure!(ORDERLY.contains(&exit_code), "the supervisor has ended with {exit_code}");
        for file in exported.iter().flat_map(|exported| &exported.files) {
            self.said_of(&installation, build, &["tenant", "import", &file.to_string_lossy()])?;
        }
        let imported = clock::now();
        let program = self.program(build).clone();
        self.installation = Some(
            installation
                .crash_and_restart_as(&program, &ARGUMENTS)
                .with_context(|| format!("the start of the {build:?} build"))?,
        );
        let since = |from: Micros, until: Micros| Duration::from_micros(until.saturating_sub(from));
        Ok(Changeover { exit_code, stop: since(from, stopped), start: since(imported, clock::now()) })
    }

    /// Ends all processes for good; returns how the supervisor has ended.
    pub fn stop(&mut self) -> Result<i32> {
        let mut installation = self.take()?;
        let code = installation.stop().context("the processes do not end")?;
        self.keep_log(&installation)?;
        Ok(code)
    }

    fn take(&mut self) -> Result<Installation> {
        self.installation.take().context("the installation does not run")
    }

    /// The log of a run that has failed, too.
    pub fn keep_last_log(&mut self) -> Result<()> {
        match self.installation.take() {
            Some(installation) => self.keep_log(&installation),
            None => Ok(()),
        }
    }

    fn keep_log(&mut self, installation: &Installation) -> Result<()> {
        self.runs += 1;
        let Some(folder) = &self.keep else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("run-{}.log", self.runs)), installation.log().join("\n"))?;
        Ok(())
    }
}
