//! The command line.

mod backup;
mod certificates;
mod demo;
mod doctor;
mod quarantine;
mod robots;
mod run;
mod settings;
mod specs;
mod tenant;
mod token;
mod topology;
mod trace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use runtime::exit::{self, Exit};
use runtime::process::sections;
use runtime::settings::{Fault, Sources, Values};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::demo::Example;
use crate::roles;

/// Examples of the whole program; the table of exit codes follows.
const EXAMPLES: &str = "\
Examples:
  trunkline demo                         a contact centre at work, with robots
  trunkline up --example                 everything, with the example tenant
  trunkline up --instance 3              a second installation beside it
  trunkline token --tenant example --scope calls:read
  trunkline topology --check             is every connection there?
  trunkline trace --last                 what happened to the latest call?

Exit codes:
";

/// An open, self-hosted, multi-tenant contact centre.
#[derive(Parser)]
#[command(name = "trunkline", version, after_help = format!("{EXAMPLES}{}", exit::table()))]
struct Cli {
    #[command(flatten)]
    options: InstallationOptions,
    #[command(subcommand)]
    command: Command,
}

/// The options of every command.
#[derive(Args, Clone)]
struct InstallationOptions {
    /// Number of the installation on this machine: its addresses are 127.N.x.y
    #[arg(long, value_name = "N", default_value_t = 0, global = true)]
    instance: u8,
    /// Directory of the installation's keys and stores [default: ~/.local/share/trunkline/instance-N; without HOME
    /// /var/lib/trunkline/instance-N]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// A TOML file of settings; may be repeated, later ones win
    #[arg(long = "settings", value_name = "FILE", global = true)]
    files: Vec<PathBuf>,
    /// One setting; wins over files and environment
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", global = true)]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in one process, for a small site
    #[command(after_help = "Examples:\n  trunkline up\n  trunkline up --example --instance 2 --data-dir ./data\n  \
                            trunkline up --set process.drain_deadline=5s\n  \
                            trunkline up --processes --replicas 2 --set stores.mode=real")]
    Up {
        /// Add the example tenant, and write addresses, phones and tokens to demo.json when all is ready
        #[arg(long)]
        example: bool,
        /// A supervised process for each role and replica; needs stores that processes share (stores.mode)
        #[arg(long)]
        processes: bool,
        /// Number of replicas of sip-cluster, sip-vq, dialplan, config and frontend; other roles by section replicas of the
        /// settings
        #[arg(long, value_name = "N", requires = "processes", value_parser = clap::value_parser!(u8).range(1..=254))]
        replicas: Option<u8>,
    },
    /// A working contact centre: every role with the example tenant, and robots that call and answer
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Arguments),
    /// Robot callers and agents, against a running installation
    #[command(after_help = robots::EXAMPLES)]
    Robots(robots::Arguments),
    /// Some roles of an installation, in one process
    #[command(after_help = "Examples:\n  trunkline run sip-proxy\n  trunkline run rq ors --replica 2")]
    Run {
        /// Names of roles, as `trunkline specs` lists them
        #[arg(required = true, value_name = "ROLE")]
        roles: Vec<String>,
        /// Number of the replica
        #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=254))]
        replica: u8,
        /// End when this process ends
        #[arg(long, value_name = "PID", hide = true)]
        supervised_by: Option<u32>,
    },
    /// The reference of all settings; or a check of a file, or the values in force
    #[command(after_help = "Examples:\n  trunkline settings > settings.md\n  trunkline settings --check site.toml\n  \
                            trunkline settings --in-force --settings site.toml")]
    Settings(settings::Arguments),
    /// Tenants: made, listed and deleted; files, single objects, people, and who has changed what
    #[command(
        subcommand,
        after_help = "Examples:\n  trunkline tenant create acme\n  trunkline tenant list\n  trunkline tenant check acme.yaml\n  trunkline tenant plan acme.yaml\n  \
                      trunkline tenant apply acme.yaml\n  trunkline tenant export acme ./acme\n  \
                      trunkline tenant list acme --kind person --where skill=Sales\n  \
                      trunkline tenant history acme person ann\n  trunkline tenant sign-ins acme --since 24h\n  \
                      trunkline tenant people import acme people.csv --dry-run\n  \
                      trunkline tenant snapshot create acme before-easter\n  \
                      trunkline tenant delete acme --backup acme.trunkline"
    )]
    Tenant(tenant::Arguments),
    /// Stored tenants as one file, while the installation runs
    #[command(after_help = backup::BACKUP_EXAMPLES)]
    Backup(backup::BackupArguments),
    /// Tenants of a backup, back in the stores
    #[command(after_help = backup::RESTORE_EXAMPLES)]
    Restore(backup::RestoreArguments),
    /// The certificate of the web edge that an ACME server issues
    #[command(after_help = "Examples:\n  trunkline certificates order")]
    Certificates(certificates::Arguments),
    /// Issues a caller token
    #[command(after_help = format!("Examples:\n  trunkline token --tenant example --scope calls:read\n  \
                            trunkline token --scope operate --sub operator/ann --life 8h\n\nScopes:\n{}", token::scope_table()))]
    Token(token::Arguments),
    /// Every connection of the running instance
    #[command(after_help = "Examples:\n  trunkline topology\n  trunkline topology --json | jq .\n  \
                            trunkline topology --check && echo complete")]
    Topology(topology::Arguments),
    /// The course of one call: its SIP, audio, application and routing, as text
    #[command(after_help = "Examples:\n  trunkline trace --last\n  trunkline trace --list --from 00\n  \
                            trunkline trace 00700392f1a4c001 --json | jq .verdict")]
    Trace(trace::Arguments),
    /// Find what is stuck, failing or misconfigured, with a remedy for each finding
    #[command(
        after_help = "Examples:\n  trunkline doctor\n  trunkline doctor --json | jq '.findings[] | select(.severity == \"error\")'"
    )]
    Doctor(doctor::Arguments),
    /// Records of calls that could not be processed: moved to quarantine so that everything else continues
    #[command(after_help = "Examples:\n  trunkline quarantine list\n  trunkline quarantine show example 3\n  \
                            trunkline quarantine release example 3")]
    Quarantine(quarantine::Arguments),
    /// What the roles declare, and the OpenAPI documents
    #[command(after_help = "Examples:\n  trunkline specs --json\n  trunkline specs --check")]
    Specs(specs::Arguments),
}

/// Runs the command; the exit code is one of the table.
pub fn main() -> ExitCode {
    // Written files may contain secrets or phone numbers: readable by the owner only.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    open_files_up_to_the_hard_limit();
    let cli = Cli::parse();
    runtime::fault::log_panics_masked();
    let done = match cli.command {
        Command::Up { example, processes, replicas } => {
            let example = if example { Example::Tenant } else { Example::None };
            if processes { run::up_processes(&cli.options, example, replicas) } else { run::up(&cli.options, example) }
        }
        Command::Demo(arguments) => demo::run(&cli.options, arguments),
        Command::Robots(arguments) => robots::run(&arguments),
        Command::Run { roles, replica, supervised_by } => run::run(&cli.options, &roles, replica, supervised_by),
        Command::Settings(arguments) => settings::run(&cli.options, &arguments),
        Command::Tenant(arguments) => tenant::run(&cli.options, &arguments),
        Command::Backup(arguments) => backup::backup(&cli.options, &arguments),
        Command::Restore(arguments) => backup::restore(&cli.options, &arguments),
        Command::Certificates(arguments) => certificates::run(&cli.options, &arguments),
        Command::Token(arguments) => token::run(&cli.options, &arguments),
        Command::Topology(arguments) => topology::run(&cli.options, &arguments),
        Command::Trace(arguments) => trace::run(&cli.options, &arguments),
        Command::Doctor(arguments) => doctor::run(&cli.options, &arguments),
        Command::Quarantine(arguments) => quarantine::run(&cli.options, &arguments),
        Command::Specs(arguments) => specs::run(&arguments),
    };
    let exit = done.unwrap_or_else(|error| {
        eprintln!("trunkline: {error:#}");
        match error.downcast_ref::<runtime::settings::Faults>() {
            Some(_) => Exit::Settings,
            None => exit::of(&error),
        }
    });
    let exit = if exit == Exit::Done && crate::answer::is_lost() { Exit::Failed } else { exit };
    ExitCode::from(exit.code())
}

/// Raises a shell's soft limit of 1,024 open files, meant for programs that use select(2): the media of 500 calls need
/// more.
fn open_files_up_to_the_hard_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If refused, the limit stays; `trunkline doctor` reports one that is too low.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

impl InstallationOptions {
    fn data_dir(&self) -> PathBuf {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let default = || runtime::process::default_data_dir(home.as_deref(), self.instance);
        self.data_dir.clone().unwrap_or_else(default)
    }

    /// The settings of all sources, checked.
    fn values(&self) -> anyhow::Result<Values> {
        let files = self.files.iter().map(|path| read_settings(path)).collect::<Result<_, _>>()?;
        Ok(runtime::settings::load(&sections::all(roles::TABLE), &self.sources(files))?)
    }

    fn sources(&self, files: Vec<(PathBuf, String)>) -> Sources {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources { files, environment, flags: self.set.clone() }
    }

    /// The same for commands that query a running installation: with the replicas of its supervisor's options.
    fn values_of_running(&self) -> anyhow::Result<Values> {
        self.running().values()
    }

    /// The settings without faults, and the faults of the others.
    fn sound_values_of_running(&self) -> (Values, Vec<Fault>) {
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        for file in self.files.iter().map(|path| read_settings(path)) {
            match file {
                Ok(file) => files.push(file),
                Err(error) => unread.push(Fault { key: "settings".to_owned(), reason: error.message }),
            }
        }
        let sources = self.running().sources(files);
        let (values, faults) = runtime::settings::load_sound(&sections::all(roles::TABLE), &sources);
        (values, [unread, faults].concat())
    }

    fn running(&self) -> Self {
        let mut options = self.clone();
        options.set.splice(0..0, crate::processes::replicas_told(&self.data_dir()));
        options
    }
}

fn read_settings(path: &std::path::Path) -> Result<(PathBuf, String), exit::ExitError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(error) => {
            let message = format!("cannot read the settings file {}: {error}", path.display());
            Err(exit::ExitError::new(Exit::Settings, message))
        }
    }
}

/// The async runtime of every command: two workers, small stacks.
fn executor() -> std::io::Result<tokio::runtime::Runtime> {
    const WORKERS: usize = 2;
    /// Disk work of the embedded stores; more threads than this would wait for the same disk.
    const BLOCKING_MAX: usize = 16;
    const STACK_BYTES: usize = 1 << 20;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_stack_size(STACK_BYTES)
        .thread_name("trunkline")
        .enable_all()
        .build()
}
