//! `trunkline up` and `trunkline run`.

use std::sync::Arc;

use infra::SystemClock;
use runtime::data_dir::Sharing;
use runtime::exit::{Exit, ExitError};
use runtime::process::{self, Plan, ProcessSettings, Replica, sections};
use runtime::settings::Values;

use super::{Site, executor};
use crate::demo::Show;
use crate::{demo, roles, stores};

/// What comes with the roles.
pub enum Example {
    /// Nothing.
    None,
    /// The example tenant.
    Tenant,
    /// The example tenant with robots at work.
    Robots(Box<Show>),
}

/// Every replica of every role in one process.
pub fn up(site: &Site, example: bool) -> anyhow::Result<Exit> {
    let example = if example { Example::Tenant } else { Example::None };
    start(site, site.values()?, Sharing::Alone, example)
}

/// Every replica of every role.
fn every_replica(values: &Values) -> Vec<Replica> {
    let replicas = roles::TABLE.iter().flat_map(|spec| {
        let count = sections::replica_count(values, spec.name);
        (1..=count).map(move |number| Replica { spec, number })
    });
    replicas.collect()
}

/// What to do about an installation that serves nobody yet.
fn no_tenant(installation: &process::Installation) -> String {
    let (instance, folder) = (installation.instance, installation.data_dir.display());
    format!(
        "Ready, but there is no tenant yet: every call is refused. Bring one with\n  \
         trunkline tenant import FILE --instance {instance} --data-dir {folder}\n\
         (no restart is needed), or start with --example."
    )
}

/// The named roles, one replica each.
pub fn run(site: &Site, names: &[String], replica: u8) -> anyhow::Result<Exit> {
    let find = |name: &String| match roles::find(name) {
        Some(spec) => Ok(Replica { spec, number: replica }),
        None => {
            let known: Vec<&str> = roles::TABLE.iter().map(|spec| spec.name).collect();
            Err(ExitError::new(Exit::Usage, format!("no role {name:?}; there are {}", known.join(", "))))
        }
    };
    let replicas = names.iter().map(find).collect::<Result<_, _>>()?;
    start_replicas(site, site.values()?, replicas, Sharing::Shared, Example::None)
}

/// Every role in one process.
pub fn start(site: &Site, values: Values, sharing: Sharing, example: Example) -> anyhow::Result<Exit> {
    let replicas = every_replica(&values);
    start_replicas(site, values, replicas, sharing, example)
}

fn start_replicas(
    site: &Site,
    values: Values,
    replicas: Vec<Replica>,
    sharing: Sharing,
    example: Example,
) -> anyhow::Result<Exit> {
    let settings: ProcessSettings = values.read(sections::PROCESS)?;
    let start_log = match example {
        Example::Robots(_) => runtime::log::start_beside_answer,
        Example::None | Example::Tenant => runtime::log::start,
    };
    let log_level = start_log(&settings.log).map_err(|reason| ExitError::new(Exit::Settings, reason))?;
    let plan = Plan {
        instance: site.instance,
        table: roles::TABLE,
        replicas,
        values,
        data_dir: site.data_dir(),
        sharing,
        log_level,
        clock: Arc::new(SystemClock::start()),
    };
    let example = Arc::new(example);
    let (at_opening, at_ready) = (example.clone(), example.clone());
    let open: process::OpenStores = Box::new(move |installation| {
        Box::pin(async move {
            let opened = stores::open(&installation).await?;
            match &*at_opening {
                Example::None => {}
                Example::Tenant => demo::bring(&installation, &opened.of_process()?, 0).await?,
                Example::Robots(show) => demo::bring(&installation, &opened.of_process()?, show.agents()).await?,
            }
            Ok(opened)
        })
    });
    let when_ready: process::WhenReady = Box::new(move |installation, opened| {
        Box::pin(async move {
            match &*at_ready {
                Example::None => {}
                Example::Tenant => return demo::announce(&installation, &opened, None).await,
                Example::Robots(show) => return show.begin(&installation, &opened).await,
            }
            if opened.provisioning.tenants().await?.is_empty() {
                eprintln!("{}", no_tenant(&installation));
            }
            Ok(())
        })
    });
    let executor = executor()?;
    let ended = executor.block_on(process::run(plan, open, when_ready));
    let ended = match &*example {
        Example::Robots(show) => executor.block_on(show.ended(ended)),
        Example::None | Example::Tenant => ended,
    };
    // What still blocks (a disk that hangs) must not keep the process.
    executor.shutdown_background();
    ended
}
