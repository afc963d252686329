//! `trunkline up` and `trunkline run`.

use std::sync::Arc;

use infra::SystemClock;
use runtime::data_dir::Sharing;
use runtime::exit::{Exit, ExitError};
use runtime::process::{self, Plan, ProcessSettings, Replica, sections};

use super::{Site, executor};
use crate::{demo, roles, stores};

/// Every replica of every role in one process.
pub fn up(site: &Site, example: bool) -> anyhow::Result<Exit> {
    let values = site.values()?;
    let replicas = roles::TABLE.iter().flat_map(|spec| {
        let count = sections::replica_count(&values, spec.name);
        (1..=count).map(move |number| Replica { spec, number })
    });
    let replicas = replicas.collect();
    start(site, values, replicas, Sharing::Alone, example)
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
    start(site, site.values()?, replicas, Sharing::Shared, false)
}

fn start(
    site: &Site,
    values: runtime::settings::Values,
    replicas: Vec<Replica>,
    sharing: Sharing,
    example: bool,
) -> anyhow::Result<Exit> {
    let settings: ProcessSettings = values.read(sections::PROCESS)?;
    let log_level = runtime::log::start(&settings.log).map_err(|reason| ExitError::new(Exit::Settings, reason))?;
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
    let open: process::OpenStores = Box::new(move |installation| {
        Box::pin(async move {
            let opened = stores::open(&installation).await?;
            if example {
                demo::bring(&installation, &opened).await?;
            }
            Ok(opened)
        })
    });
    let when_ready: process::WhenReady = Box::new(move |installation, opened| {
        Box::pin(async move {
            if example {
                return demo::announce(&installation, &opened).await;
            }
            if opened.provisioning.tenants().await?.is_empty() {
                eprintln!("{}", no_tenant(&installation));
            }
            Ok(())
        })
    });
    let executor = executor()?;
    let ended = executor.block_on(process::run(plan, open, when_ready));
    // What still blocks (a disk that hangs) must not keep the process.
    executor.shutdown_background();
    ended
}
