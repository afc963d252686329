//! `trunkline tenant shifts import`: when people work, as workforce management has planned it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use contracts::provisioning::TenantObjects;
use infra::ChangeWay;
use runtime::exit::{Exit, ExitError};
use tenant::shifts::{KnownNames, NO_ZONE, PlannedDays, ShiftFault, ShiftTable, TableFormat, TableTaken};

use super::{InstallationOptions, executor, no_tenant, tenant_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant shifts import acme week.csv --from 2026-03-23 --to 2026-03-30 --dry-run
  trunkline tenant shifts import acme week.json --from 2026-03-23 --to 2026-03-30 --zone Europe/Berlin

Columns: shift, person, begin, end (needed), zone, activity (work|break|lunch|training|meeting), activity_begin, activity_end, reason.
Times are those of clocks in the zone, as 2026-03-29T08:30.";

/// The most faults that are printed.
const PRINTED_MAX: usize = 1_000;

#[derive(Subcommand)]
pub enum Arguments {
    /// Puts the shifts of a table in the place of those that begin in some days, all or none. Names every faulty line
    #[command(
        after_help = "Examples:\n  trunkline tenant shifts import acme week.csv --from 2026-03-23 --to 2026-03-30 --dry-run"
    )]
    Import(ImportArguments),
}

#[derive(clap::Args)]
pub struct ImportArguments {
    /// The tenant's id
    tenant: String,
    /// The table in UTF-8: JSON where its name ends with .json, else CSV with a head
    file: PathBuf,
    /// The first day, as 2026-03-23
    #[arg(long)]
    from: String,
    /// The day behind the last one
    #[arg(long)]
    to: String,
    /// The time zone of the days, and of shifts that name none; else that of the tenant
    #[arg(long)]
    zone: Option<String>,
    /// Whose shifts are replaced, by user name; may be repeated. Else those of everybody
    #[arg(long)]
    person: Vec<String>,
    /// Check the table, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<()> {
    match arguments {
        Arguments::Import(arguments) => import(options, arguments),
    }
}

fn import(options: &InstallationOptions, arguments: &ImportArguments) -> anyhow::Result<()> {
    let tenant = tenant_id(&arguments.tenant)?;
    let file = &arguments.file;
    let text = std::fs::read_to_string(file)
        .map_err(|error| ExitError::new(Exit::CheckFailed, format!("{} cannot be read: {error}", file.display())))?;
    let taken = executor()?.block_on(async {
        let (store, shifts) = crate::stores::shifts(options.instance, &options.data_dir(), &options.values()?).await?;
        let (_, objects) = store.load(&tenant).await?.ok_or_else(|| no_tenant(&tenant))?;
        let table = table_of(arguments, text, &objects)?;
        match table.shifts() {
            (_, Ok(read)) => {
                let note = crate::author::note(ChangeWay::CommandLine);
                anyhow::Ok(table.put(&*shifts, &tenant, read, &note).await?)
            }
            (_, Err(faults)) => Ok(TableTaken::Faulty(faults)),
        }
    })?;
    match taken {
        TableTaken::Replaced(counts) => {
            let (added, changed, removed) = (counts.added, counts.changed, counts.removed);
            say_line!("{added} added, {changed} changed, {removed} removed, {} unchanged", counts.unchanged);
            Ok(())
        }
        TableTaken::Faulty(faults) => Err(ExitError::new(Exit::CheckFailed, lines(&faults)).into()),
        TableTaken::TooMany => {
            let most = infra::bounds::SHIFTS_OF_TENANT_MAX;
            Err(ExitError::new(Exit::CheckFailed, format!("the tenant would have more than {most} shifts")).into())
        }
    }
}

fn table_of(arguments: &ImportArguments, text: String, objects: &TenantObjects) -> Result<ShiftTable, ExitError> {
    let zone = arguments.zone.as_deref().or(objects.tenant.time_zone.as_deref()).unwrap_or(NO_ZONE);
    let days = PlannedDays::of(&arguments.from, &arguments.to, zone);
    let days = days.map_err(|rule| ExitError::new(Exit::Usage, rule))?;
    let users = objects.people.iter().map(|person| person.user_name.as_str());
    Ok(ShiftTable {
        text,
        format: format_of(&arguments.file),
        days,
        people: arguments.person.clone(),
        names: KnownNames::of(users, objects.action_codes.iter()),
        is_trial: arguments.dry_run,
    })
}

fn format_of(file: &Path) -> TableFormat {
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json { TableFormat::Json } else { TableFormat::Csv }
}

/// The faults, a line each.
fn lines(faults: &[ShiftFault]) -> String {
    let told: Vec<String> = faults.iter().take(PRINTED_MAX).map(|fault| format!("\n  {fault}")).collect();
    format!("{} in the table, and nothing was changed:{}", faults.len(), told.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_json_by_its_name_alone() {
        assert_eq!(format_of(Path::new("week.JSON")), TableFormat::Json);
        assert_eq!(format_of(Path::new("week.csv")), TableFormat::Csv);
        assert_eq!(format_of(Path::new("week")), TableFormat::Csv);
    }
}
