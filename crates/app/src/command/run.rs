//! `trunkline up` and `trunkline run`.

use std::ffi::OsString;
use std::sync::Arc;

use infra::SystemClock;
use runtime::RoleSpec;
use runtime::data_dir::Sharing;
use runtime::discovery::settings::SECTION as DISCOVERY;
use runtime::exit::{Exit, ExitError};
use runtime::process::stores::Server;
use runtime::process::{self, Plan, ProcessSettings, Replica, sections};
use runtime::settings::Values;

use super::{InstallationOptions, executor};
use crate::demo::Example;
use crate::{processes, roles, stores};

/// Every replica of every role in one process.
pub fn up(options: &InstallationOptions, example: Example) -> anyhow::Result<Exit> {
    let values = options.values()?;
    let replicas = every_replica(&values);
    start(options, values, replicas, Sharing::Alone, example)
}

/// Runs every replica of every role in its own process.
pub fn up_processes(options: &InstallationOptions, example: Example, replicas: Option<u8>) -> anyhow::Result<Exit> {
    let mut options = options.clone();
    // A replica count for a single role wins over this one.
    options.set.splice(0..0, replicas.map(|count| sections::replica_settings(roles::TABLE, count)).unwrap_or_default());
    let values = options.values()?;
    let settings: ProcessSettings = values.read(sections::PROCESS)?;
    example.start_log(&settings.log).map_err(|reason| ExitError::new(Exit::Settings, reason))?;
    let plan = processes::Plan {
        instance: options.instance,
        data_dir: options.data_dir(),
        values,
        arguments: arguments_of(&options),
        replicas: options.set.iter().filter(|set| set.starts_with("replicas.")).cloned().collect(),
        log_line: if matches!(example, Example::Robots(_)) { processes::to_stderr } else { processes::to_stdout },
    };
    let executor = executor()?;
    let ended = executor.block_on(async { example.ended(processes::run(plan, &example).await).await });
    executor.shutdown_background();
    ended
}

/// The options that make another process belong to the same installation. It inherits the environment.
fn arguments_of(options: &InstallationOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--instance".into(), options.instance.to_string().into()];
    arguments.extend(["--data-dir".into(), options.data_dir().into()]);
    arguments.extend(options.files.iter().flat_map(|file| ["--settings".into(), file.clone().into()]));
    arguments.extend(options.set.iter().flat_map(|set| ["--set".into(), set.clone().into()]));
    arguments
}

/// Makes the kernel tell this process when its supervisor ends, by the signal on which it then drains.
fn end_with(supervisor: u32) -> anyhow::Result<()> {
    let signal = rustix::process::Signal::from_named_raw(process::SUPERVISOR_ENDED.as_raw_value());
    rustix::process::set_parent_process_death_signal(signal)?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(supervisor) {
        return Ok(());
    }
    // It had ended before the request to the kernel.
    Err(ExitError::new(Exit::Failed, format!("the supervisor, process {supervisor}, has ended")).into())
}

/// Every replica of every role.
fn every_replica(values: &Values) -> Vec<Replica> {
    let replicas = roles::ROLES.iter().flat_map(|role| {
        let count = sections::replica_count(values, role.spec.name);
        (1..=count).map(move |number| Replica { role: *role, number })
    });
    replicas.collect()
}

/// Advice for an installation without tenants.
fn no_tenant(installation: &process::Installation) -> String {
    let (instance, folder) = (installation.instance, installation.data_dir.display());
    format!(
        "Ready, but there is no tenant yet: every call is refused. Bring one with\n  \
         trunkline tenant import FILE --instance {instance} --data-dir {folder}\n\
         (no restart is needed), or start with --example."
    )
}

/// The named roles, one replica each.
pub fn run(
    options: &InstallationOptions,
    names: &[String],
    replica: u8,
    supervised_by: Option<u32>,
) -> anyhow::Result<Exit> {
    if let Some(supervisor) = supervised_by {
        end_with(supervisor)?;
    }
    let values = options.values()?;
    let find = |name: &String| match roles::find(name) {
        Some(role) => expected(&values, Replica { role, number: replica }),
        None => {
            let known: Vec<&str> = roles::TABLE.iter().map(|spec| spec.name).collect();
            Err(ExitError::new(Exit::Usage, format!("no role {name:?}; there are {}", known.join(", "))))
        }
    };
    let replicas = names.iter().map(find).collect::<Result<_, _>>()?;
    start(options, values, replicas, Sharing::Shared, Example::None)
}

/// Refuses a replica that the others do not know: it would get calls, but no requests about them.
fn expected(values: &Values, replica: Replica) -> Result<Replica, ExitError> {
    let (name, number) = (replica.role.spec.name, replica.number);
    let count = sections::replica_count(values, name);
    if number <= count {
        return Ok(replica);
    }
    let key = name.replace('-', "_");
    let message = format!(
        "replicas.{key} is {count}, so other roles do not look for {name}-{number}: give every process --set replicas.{key}={number}"
    );
    Err(ExitError::new(Exit::Settings, message))
}

fn start(
    options: &InstallationOptions,
    values: Values,
    replicas: Vec<Replica>,
    sharing: Sharing,
    example: Example,
) -> anyhow::Result<Exit> {
    let settings: ProcessSettings = values.read(sections::PROCESS)?;
    let log_level = example.start_log(&settings.log).map_err(|reason| ExitError::new(Exit::Settings, reason))?;
    let directory_source = net::consul::directory_source(values.read(DISCOVERY)?)
        .map_err(|fault| ExitError::new(Exit::Settings, format!("discovery: {fault:#}")))?;
    let plan = Plan {
        instance: options.instance,
        table: roles::TABLE,
        replicas,
        values,
        data_dir: options.data_dir(),
        sharing,
        log_level,
        clock: Arc::new(SystemClock::start()),
        directory_source,
    };
    let example = Arc::new(example);
    let (at_opening, at_ready) = (example.clone(), example.clone());
    let specs: Vec<&RoleSpec> = plan.replicas.iter().map(|replica| replica.role.spec).collect();
    // The others have no connection to the tenants' store.
    let knows_tenants = specs.iter().any(|spec| Server::Postgresql.serves(spec));
    let open: process::OpenStores = Box::new(move |installation| {
        Box::pin(async move {
            let opened = stores::open(&installation, &specs).await?;
            if !matches!(*at_opening, Example::None) {
                at_opening.bring(&installation, &opened.of_process()?).await?;
            }
            Ok(opened)
        })
    });
    let when_ready: process::WhenReady = Box::new(move |installation, opened| {
        Box::pin(async move {
            at_ready.begin(&installation, &opened).await?;
            if knows_tenants {
                match opened.provisioning.tenants().await {
                    Ok(tenants) if tenants.is_empty() => eprintln!("{}", no_tenant(&installation)),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "cannot find out whether there is a tenant"),
                }
            }
            Ok(())
        })
    });
    let executor = executor()?;
    let run = async {
        let specs: Vec<&RoleSpec> = plan.replicas.iter().map(|replica| replica.role.spec).collect();
        stores::expect_key(plan.instance, &plan.data_dir, &plan.values, &specs).await?;
        process::run(plan, open, when_ready).await
    };
    let ended = executor.block_on(async { example.ended(run.await).await });
    // A blocking call (a disk that hangs) must not keep the process.
    executor.shutdown_background();
    ended
}
