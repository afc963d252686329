//! The steps of the run, one after the other. Where a step breaks a rule, that is noted, and the next one follows; a step that cannot be
//! taken ends the run.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::clock::{self, Micros};

use crate::calls::{AgentPhones, LastingCalls, ShortCalls};
use crate::editors::EditLoad;
use crate::judge::{self, Snapshots};
use crate::large_tenant::{LAST_NAME, TENANT, user};
use crate::later_objects;
use crate::notes::{LoadNotes, LoadTally};
use crate::options::UpgradeOptions;
use crate::report::UpgradeReport;
use crate::sign_ins::SignInTrace;
use crate::site::{Build, Changeover, TableSteps, UpgradeSite};

/// While the database waits for a step's locks, look-ups are answered from what was known last; afterwards they are not.
const KNOWN_LAST_FOR: Micros = 10 * clock::SECOND;
/// How long edits are made before a changeover that finds none under way.
const EDITED_BEFORE: Duration = Duration::from_secs(2);
/// What is judged of the time in which the tables change, also later, of what was still under way.
const NO_LONG_WAIT: &str = "no edit, look-up, list or read of the history waits longer than 10 s";
/// The first snapshot, which the old build makes before any edit.
const FIRST_SNAPSHOT: &str = "before";

const START: &str = "the build before starts";
const FIRST_LOAD: &str = "load on the build before";
const TABLES: &str = "the tables of the new build, under load";
const OLD_ON_NEW: &str = "the build before goes on with the new tables";
const FORWARD: &str = "all processes end, the new build starts";
const NEW_LOAD: &str = "load on the new build";
const BACK: &str = "back: the build before starts";
const BACK_LOAD: &str = "load on the build before, on the new tables";
const AGAIN: &str = "forward again: the new build starts";
const LAST_LOAD: &str = "load on the new build, again";
const END: &str = "the first snapshot comes back, and all ends";

/// A step: what it says in the report.
type CourseStep<'r> = fn(&mut Course<'r>) -> Result<String>;

/// The run so far.
struct Course<'r> {
    seconds: Duration,
    report: &'r mut UpgradeReport,
    site: UpgradeSite,
    load: EditLoad,
    sign_ins: SignInTrace,
    snapshots: Snapshots,
    agents: Option<AgentPhones>,
    calls: Option<ShortCalls>,
    /// When the first process of the new build opened the store.
    tables_from: Micros,
}

/// Takes all steps.
pub fn run(options: &UpgradeOptions) -> UpgradeReport {
    let mut report = UpgradeReport::new(&options.from, &options.to, options.people);
    let from = clock::now();
    match begin(options, &mut report) {
        Ok((site, load)) => {
            let mut course = Course {
                seconds: Duration::from_secs(options.seconds),
                report: &mut report,
                site,
                load,
                sign_ins: SignInTrace::default(),
                snapshots: Snapshots::default(),
                agents: None,
                calls: None,
                tables_from: 0,
            };
            course.steps();
            course.end();
        }
        Err(error) => report.fail(START, &error),
    }
    let whole = Duration::from_micros(clock::now().saturating_sub(from));
    eprintln!("upgrade: {:.0} s in all", whole.as_secs_f64());
    report
}

fn begin(options: &UpgradeOptions, report: &mut UpgradeReport) -> Result<(UpgradeSite, EditLoad)> {
    let from = clock::now();
    let site = UpgradeSite::start(options)?;
    site.import_large(options.people).context("the generated tenant")?;
    let load = EditLoad::new(site.objects()?, options.people)?;
    let said = format!("{} processes; {} people imported", site.processes()?.len(), options.people);
    report.step(START, since(from), said);
    Ok((site, load))
}

impl<'r> Course<'r> {
    fn steps(&mut self) {
        let steps: [(&'static str, CourseStep<'r>); 10] = [
            (FIRST_LOAD, Self::first_load),
            (TABLES, Self::tables),
            (OLD_ON_NEW, Self::old_on_new),
            (FORWARD, |course| course.change_over(FORWARD, Build::New)),
            (NEW_LOAD, |course| course.serve(NEW_LOAD, Build::New)),
            (BACK, |course| course.change_over(BACK, Build::Old)),
            (BACK_LOAD, |course| course.serve(BACK_LOAD, Build::Old)),
            (AGAIN, |course| course.change_over(AGAIN, Build::New)),
            (LAST_LOAD, |course| course.serve(LAST_LOAD, Build::New)),
            (END, Self::first_snapshot_comes_back),
        ];
        for (name, step) in steps {
            eprintln!("upgrade: {name} ...");
            let from = clock::now();
            match step(self) {
                Ok(said) => self.report.step(name, since(from), said),
                Err(error) => {
                    let faults = self.load.notes.take_faults();
                    self.report.judge(name, "what the load asked was answered, until the step failed", faults);
                    return self.report.fail(name, &error);
                }
            }
        }
    }

    /// What ends in any case.
    fn end(&mut self) {
        self.load.notes.end();
        if let Some(calls) = self.calls.take() {
            // A step has failed: what they say is of no weight any more.
            drop(calls.end());
        }
        drop(self.load.join());
        if let Err(error) = self.site.keep_last_log() {
            eprintln!("upgrade: the last log is not kept: {error:#}");
        }
        self.report.sum_up(&self.load.notes);
    }

    fn begin_load(&mut self, build: Build) -> Result<()> {
        self.load.begin(&self.site.token(build)?)?;
        self.calls = Some(ShortCalls::begin(self.site.installation()?)?);
        Ok(())
    }

    /// Waits until the short calls are over, and judges them.
    fn end_calls(&mut self, step: &'static str) -> Result<u32> {
        let Some(calls) = self.calls.take() else { return Ok(0) };
        let (count, faults) = calls.end()?;
        self.report.judge(step, "no call fails", faults);
        self.report.called(count);
        Ok(count)
    }

    /// What the load was told since the last time. Look-ups may show what was known last between these times.
    fn judge_load(&mut self, step: &'static str, away: Option<(Micros, Micros)>) {
        let notes = &self.load.notes;
        let faults = notes.take_faults();
        let is_meant = |at: Micros| away.is_none_or(|(from, until)| !(from..=until + KNOWN_LAST_FOR).contains(&at));
        let stale = notes.take_stale().into_iter().filter(|(at, _)| is_meant(*at)).map(|(_, what)| what);
        let stale: Vec<String> = stale.collect();
        self.report.judge(step, "nothing is refused but as UNAVAILABLE, and what is acknowledged is told", faults);
        self.report.judge(step, "a look-up shows what was acknowledged before it", stale);
    }

    fn first_load(&mut self) -> Result<String> {
        self.sign_ins.sign_in(&self.site, Build::Old)?;
        self.snapshots.make(&self.site, Build::Old, FIRST_SNAPSHOT)?;
        self.agents = Some(AgentPhones::begin(self.site.installation()?)?);
        self.begin_load(Build::Old)?;
        let from = clock::now();
        clock::pass(self.seconds)?;
        self.note_load("build before, its own tables", from);
        self.judge_load(FIRST_LOAD, None);
        Ok(format!("{} edits acknowledged", self.load.notes.count()))
    }

    fn note_load(&mut self, name: &'static str, from: Micros) {
        self.report.load(name, &self.load.notes, from, clock::now());
    }

    /// The load goes on meanwhile.
    fn tables(&mut self) -> Result<String> {
        let processes = self.site.processes()?;
        let steps = self.site.bring_tables_up_to_date()?;
        let TableSteps { before, after, from, until } = steps;
        self.report.load("while the steps run", &self.load.notes, from, until);
        ensure!(
            after > before,
            "both builds have the same {before} steps: nothing was tested. --from takes a revision before the last step of the tables"
        );
        // So long may look-ups show what was known last.
        clock::pass(Duration::from_micros(KNOWN_LAST_FOR))?;
        self.judge_load(TABLES, Some((from, until)));
        self.tables_from = from;
        self.report.judge(TABLES, NO_LONG_WAIT, judge::waits(&self.load.notes, from, until));
        self.judge_secrets(TABLES, Build::Old)?;
        let ended = self.ended(&processes)?;
        self.report.judge(TABLES, "no process of the build before ends", ended);
        let took = Duration::from_micros(until.saturating_sub(from));
        Ok(format!("steps {} to {after} in {:.2} s", before + 1, took.as_secs_f64()))
    }

    fn judge_secrets(&mut self, step: &'static str, build: Build) -> Result<()> {
        let rule = match build {
            Build::Old => "secrets stand as the build before reads them",
            Build::New => "no secret stands in clear",
        };
        self.report.judge(step, rule, judge::secrets(&self.site, build)?);
        Ok(())
    }

    /// Processes that are not there any more, or are others.
    fn ended(&self, before: &std::collections::BTreeMap<String, u32>) -> Result<Vec<String>> {
        let now = self.site.processes()?;
        let gone = before.iter().filter(|(node, pid)| now.get(*node) != Some(*pid));
        Ok(gone.map(|(node, pid)| format!("{node}, process {pid}")).collect())
    }

    fn old_on_new(&mut self) -> Result<String> {
        let processes = self.site.processes()?;
        let from = clock::now();
        clock::pass(self.seconds)?;
        self.note_load("build before, new tables", from);
        self.judge_load(OLD_ON_NEW, None);
        let slow = judge::waits(&self.load.notes, self.tables_from, clock::now());
        self.report.judge(OLD_ON_NEW, NO_LONG_WAIT, slow);
        self.judge_secrets(OLD_ON_NEW, Build::Old)?;
        let calls = self.end_calls(OLD_ON_NEW)?;
        let ended = self.ended(&processes)?;
        self.report.judge(OLD_ON_NEW, "no process of the build before ends", ended);
        self.sign_ins.sign_in(&self.site, Build::Old)?;
        Ok(format!("{calls} calls as they should be since the load began, {} edits", self.load.notes.count()))
    }

    /// All at once, as docs/upgrading.md says. On the way forward edits and calls are under way when the processes end; on the way back
    /// neither, since an import would undo edits that the export does not have, and calls of the new build are lost.
    fn change_over(&mut self, step: &'static str, to: Build) -> Result<String> {
        self.end_calls(step)?;
        let (lasting, exported) = match to {
            Build::New => {
                if !self.load.is_at_work() {
                    self.load.begin(&self.site.token(to.other())?)?;
                    clock::pass(EDITED_BEFORE)?;
                }
                (Some(LastingCalls::begin(self.site.installation()?)?), None)
            }
            Build::Old => {
                self.load.end()?;
                later_objects::write(&self.site, &self.load)?;
                (None, Some(self.site.export_in_clear()?))
            }
        };
        self.load.notes.be_stopped();
        let Changeover { exit_code, stop, start } = self.site.change_over(to, exported)?;
        self.load.join()?;
        self.judge_load(step, None);
        match to {
            Build::New => self.snapshots.look_which_are_sealed(&self.site)?,
            Build::Old => {
                self.load.notes.be_imported();
                self.load.forget_revisions();
            }
        }
        self.judge_secrets(step, to)?;
        let lasted = match lasting {
            Some(calls) => {
                let lasted = calls.go_on_and_end();
                let broken = lasted.as_ref().err().map(|error| format!("{error:#}"));
                self.report.judge(step, "calls that are up go on", broken.into_iter().collect());
                format!("{} calls went on", lasted.unwrap_or_default())
            }
            None => "no calls were up".to_owned(),
        };
        Ok(format!(
            "ended with {exit_code} in {:.1} s, ready in {:.1} s; {lasted}",
            stop.as_secs_f64(),
            start.as_secs_f64()
        ))
    }

    /// A build serves after a changeover: first what was there, then load, and then everything is judged.
    fn serve(&mut self, step: &'static str, build: Build) -> Result<String> {
        if build == Build::New {
            let broken = self.sign_ins.go_on(&self.site).err().map(|error| format!("{error:#}"));
            self.report.judge(step, "who has signed in gets the next token", broken.into_iter().collect());
        } else {
            // Only the tables are promised to the build before: phones register and agents log in anew.
            self.agents = None;
            self.agents = Some(AgentPhones::begin(self.site.installation()?)?);
        }
        let agents = self.agents.as_ref().context("no agents")?;
        let (answered, edits) = (agents.answered(), self.load.notes.count());
        self.begin_load(build)?;
        let from = clock::now();
        if step == NEW_LOAD {
            clock::pass(self.seconds / 2)?;
            self.load.notes.be_killed();
            self.site.kill("tenant")?;
            clock::pass(self.seconds / 2)?;
        } else {
            clock::pass(self.seconds)?;
        }
        self.note_load(if build == Build::New { "new build" } else { "back: build before, new tables" }, from);
        self.load.end()?;
        if build == Build::Old {
            later_objects::edit_before(&self.site, &self.load)?;
        }
        let calls = self.end_calls(step)?;
        self.judge_load(step, None);
        let answered = self.agents.as_ref().map_or(0, AgentPhones::answered).saturating_sub(answered);
        let idle = (answered == 0).then(|| "they got none".to_owned());
        self.report.judge(step, "agents who are logged in get calls", idle.into_iter().collect());
        self.sign_ins.sign_in(&self.site, build)?;
        self.snapshots.make(&self.site, build, &format!("snapshot-{}", self.snapshots.count()))?;
        self.judge_all(step, build)?;
        let edits = self.load.notes.count() - edits;
        Ok(format!("{edits} edits, {calls} calls, {answered} of them answered by agents"))
    }

    /// What all builds before have written is read by this one.
    fn judge_all(&mut self, step: &'static str, build: Build) -> Result<()> {
        let edits = judge::edits(&self.site, build, &self.load)?;
        self.report.judge(step, "every acknowledged edit is there, and once in the history", edits);
        let groups = judge::groups(&self.site, build, &self.load)?;
        self.report.judge(step, "both builds have every group of agents as it was acknowledged", groups);
        self.report.judge(step, "every snapshot is as it was made", self.snapshots.lost(&self.site, build));
        let sign_ins = self.sign_ins.lost(&self.site, build)?;
        self.report.judge(step, "every sign-in is told", sign_ins);
        Ok(())
    }

    fn first_snapshot_comes_back(&mut self) -> Result<String> {
        let LoadTally { broken_off, known_already, .. } = self.load.notes.tally();
        let none = (broken_off + known_already == 0).then(|| "none was under way at any of them".to_owned());
        self.report.judge(END, "edits were under way when processes ended or were killed", none.into_iter().collect());
        let lost = later_objects::lost(&self.site, &self.load)?;
        self.report.judge(END, "what the build before does not know is there again", lost);
        self.site.said(Build::New, &["tenant", "snapshot", "restore", TENANT, FIRST_SNAPSHOT])?;
        let mut client = self.load.client(&self.site.token(Build::New)?)?;
        let edited = user(0);
        // Notes of its own: it is no load.
        let seen = self.load.wait_for(client.person(&edited, &LoadNotes::default()))?.context("nothing is stopped")?;
        let is_back = seen.json.contains(&format!("\"{LAST_NAME}\""));
        let broken = (!is_back).then(|| format!("{edited} is {} after the snapshot was restored", seen.json));
        self.report.judge(END, "a snapshot of the build before comes back", broken.into_iter().collect());
        self.agents = None;
        let code = self.site.stop()?;
        let broken = (code != 0).then(|| format!("the supervisor has ended with {code}"));
        self.report.judge(END, "the installation ends in order", broken.into_iter().collect());
        let (snapshots, sign_ins) = (self.snapshots.count(), self.sign_ins.count());
        Ok(format!("{snapshots} snapshots and {sign_ins} records of signing in were carried along"))
    }
}

fn since(from: Micros) -> Duration {
    Duration::from_micros(clock::now().saturating_sub(from))
}
