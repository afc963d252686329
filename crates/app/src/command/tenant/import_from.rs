//! `trunkline tenant import-from`: another program's configuration becomes a tenant's file.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use runtime::exit::{Exit, ExitError};
use tenant::import_from::{self, Conversion, SOURCE_BYTES_MAX, SOURCE_FILES_MAX, SourceFault, SourceFile, TenantNames};

use super::{tenant_id, write, write_files};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant import-from freeswitch-callcenter callcenter.conf.xml --directory conf/directory --tenant acme
  trunkline tenant import-from asterisk --queues queues.conf --pjsip pjsip.conf --tenant acme --report report.md
  trunkline tenant check acme/acme.yaml && trunkline tenant plan acme/acme.yaml

Nothing is stored: the file is for `trunkline tenant check`, `plan` and `apply`.";

/// The deepest folder of a directory that is read.
const DEPTH_MAX: usize = 8;

#[derive(Subcommand)]
pub enum Arguments {
    /// Queues, agents and tiers of FreeSWITCH's mod_callcenter
    #[command(after_help = "Examples:\n  trunkline tenant import-from freeswitch-callcenter callcenter.conf.xml \
                            --directory conf/directory --tenant acme\n  \
                            trunkline tenant import-from freeswitch-callcenter freeswitch.xml.fsxml --tenant acme")]
    FreeswitchCallcenter {
        /// callcenter.conf.xml, or freeswitch.xml.fsxml of FreeSWITCH's log folder, which has everything
        file: PathBuf,
        /// The folder of the users: every .xml file in it and below it
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
        #[command(flatten)]
        result: ResultOptions,
    },
    /// Queues and members of Asterisk, with the endpoints of PJSIP
    #[command(after_help = "Examples:\n  trunkline tenant import-from asterisk --queues /etc/asterisk/queues.conf \
                            --pjsip /etc/asterisk/pjsip.conf --tenant acme")]
    Asterisk {
        /// queues.conf
        #[arg(long, value_name = "FILE")]
        queues: PathBuf,
        /// pjsip.conf
        #[arg(long, value_name = "FILE")]
        pjsip: PathBuf,
        #[command(flatten)]
        result: ResultOptions,
    },
}

#[derive(Args)]
pub struct ResultOptions {
    /// The new tenant's id
    #[arg(long, value_name = "ID", default_value = "imported")]
    tenant: String,
    /// What people call it [default: its id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Realm of its phones' passwords [default: the directory's domain, else ID.invalid]
    #[arg(long, value_name = "HOST")]
    realm: Option<String>,
    /// The folder to write into [default: the tenant's id]
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// A file for what has no counterpart: JSON if its name ends with .json, else Markdown [default: standard error]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl ResultOptions {
    fn names(&self) -> Result<TenantNames, ExitError> {
        tenant_id(&self.tenant)?;
        let name = self.name.clone().unwrap_or_else(|| self.tenant.clone());
        Ok(TenantNames { id: self.tenant.clone(), name, realm: self.realm.clone() })
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments {
        Arguments::FreeswitchCallcenter { file, directory, result } => {
            let callcenter = source(file)?;
            let mut users = Vec::new();
            if let Some(folder) = directory {
                collect(folder, DEPTH_MAX, &mut users)?;
            }
            finish(result, import_from::freeswitch_callcenter(&result.names()?, &callcenter, &users))
        }
        Arguments::Asterisk { queues, pjsip, result } => {
            finish(result, import_from::asterisk(&result.names()?, &source(queues)?, &source(pjsip)?))
        }
    }
}

/// Writes the files and the report; objects that break a rule are a failed check, with the files written all the same.
fn finish(options: &ResultOptions, converted: Result<Conversion, SourceFault>) -> anyhow::Result<()> {
    let Conversion { objects, remarks, faults } = converted.map_err(|fault| failed(fault.to_string()))?;
    let folder = options.into.clone().unwrap_or_else(|| PathBuf::from(&options.tenant));
    write_files(&folder, &options.tenant, &tenant::file::write(&objects))?;
    match &options.report {
        Some(file) if file.extension().is_some_and(|end| end == "json") => {
            write(file, &format!("{:#}\n", remarks.json()))?;
        }
        Some(file) => write(file, &remarks.markdown())?,
        None => {
            for one in remarks.list() {
                eprintln!("{}:{}: {} {}: {}", one.file, one.line, one.key, one.value, one.done);
            }
        }
    }
    let queues = objects.applications.len();
    say_line!(
        "{}: {queues} queues, {} agents, {} trunks; {} remarks",
        folder.join(format!("{}.yaml", options.tenant)).display(),
        objects.people.len(),
        objects.trunks.len(),
        remarks.list().len()
    );
    if faults.is_empty() {
        return Ok(());
    }
    let lines: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    Err(failed(format!("please correct the written file, which breaks rules:{lines}")).into())
}

fn failed(message: String) -> ExitError {
    ExitError::new(Exit::CheckFailed, message)
}

fn source(path: &Path) -> Result<SourceFile, ExitError> {
    let unreadable = |why: String| failed(format!("{} cannot be read: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > SOURCE_BYTES_MAX as u64 {
        return Err(unreadable(format!("it has more than {SOURCE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    Ok(SourceFile { name: path.display().to_string(), text })
}

/// The .xml files in a folder and below it, in the order of their names.
fn collect(folder: &Path, depth: usize, files: &mut Vec<SourceFile>) -> Result<(), ExitError> {
    let unreadable = |error: std::io::Error| failed(format!("{} cannot be read: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().map_err(unreadable)?;
    paths.sort();
    for path in paths {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, files)?;
        } else if path.extension().is_some_and(|end| end == "xml") {
            if files.len() >= SOURCE_FILES_MAX {
                return Err(failed(format!("{} has more than {SOURCE_FILES_MAX} files", folder.display())));
            }
            files.push(source(&path)?);
        }
    }
    Ok(())
}
