//! `trunkline certificates`: the certificate of the web edge that an ACME server issues.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use clap::{Args, Subcommand};
use infra::{Clock as _, SystemClock};
use platform::ingress::{self, OrderTurn};
use runtime::data_dir;
use runtime::exit::{Exit, ExitError};
use rustix::process::geteuid;

use super::InstallationOptions;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: CertificateAction,
}

#[derive(Subcommand)]
enum CertificateAction {
    /// Ends the wait after failures: a running ingress orders within seconds, unless the ACME server has asked to wait
    Order,
}

/// Has a certificate ordered.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let CertificateAction::Order = arguments.what;
    let (values, folder) = (options.values_of_running()?, options.data_dir());
    data_dir::expect(&folder)?;
    expect_own(&folder)?;
    let (key, now) = (data_dir::installation_key(&folder)?, SystemClock::start().now());
    let Some(turn) = ingress::order_certificate_at_once(&values, &folder, &key, now)? else {
        let message = "no certificate is ordered: ingress.acme_directory names no ACME server";
        return Err(ExitError::new(Exit::Settings, message).into());
    };
    match turn {
        OrderTurn::Now => say_line!("it is ordered within seconds, if ingress runs; its log says what comes of it"),
        OrderTurn::AskedToWait(until) => {
            let seconds = until.since(now).as_secs();
            say_line!("the ACME server has asked to wait: it is ordered in {seconds} s, and no sooner");
        }
        OrderTurn::NotDue(at) => {
            let hours = at.since(now).as_secs() / 3_600;
            say_line!("none is due: the present certificate is what the settings want, and is renewed in {hours} h");
        }
    }
    Ok(Exit::Done)
}

/// Refuses another user than that of the installation, who could not read what this one writes.
fn expect_own(folder: &Path) -> anyhow::Result<()> {
    let owner = folder.metadata()?.uid();
    if owner == geteuid().as_raw() {
        return Ok(());
    }
    let folder = folder.display();
    let message = format!("{folder} is user {owner}'s, so run this as that user: sudo -u '#{owner}' ...");
    Err(ExitError::new(Exit::DataDirectory, message).into())
}
