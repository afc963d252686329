//! `trunkline token`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use infra::SystemClock;
use model::TenantId;
use runtime::exit::{Exit, ExitError};
use runtime::settings::SettingValue as _;
use runtime::{data_dir, token};

use super::Site;

/// Longer tokens are refused: a lost one could not be called back.
const LIFE_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

#[derive(Args)]
pub struct Arguments {
    /// The tenant that the token is for; without it the token is for every tenant of the installation
    #[arg(long)]
    tenant: Option<String>,
    /// What its bearer may do; may be given again
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Who its bearer is, as KIND/NAME
    #[arg(long, default_value = "operator/cli")]
    sub: String,
    /// The role that it is for [default: every role]
    #[arg(long, default_value = token::EVERY_ROLE, hide_default_value = true)]
    aud: String,
    /// How long it lives: 15m, 8h; at most 744h
    #[arg(long, default_value = "12h", value_parser = life)]
    life: Duration,
}

/// Prints a token on stdout.
#[allow(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run(site: &Site, arguments: &Arguments) -> anyhow::Result<Exit> {
    let usage = |error: model::id::InvalidId| ExitError::new(Exit::Usage, format!("--tenant: {error}"));
    let tenant = arguments.tenant.as_deref().map(TenantId::parse).transpose().map_err(usage)?;
    if arguments.scopes.iter().any(|scope| scope.split_whitespace().any(|s| s == token::ROLE_SCOPE)) {
        // Only the installation's own processes are roles.
        return Err(ExitError::new(Exit::Usage, "the scope \"role\" is not issued to people").into());
    }
    let tokens = data_dir::tokens(&site.data_dir(), Arc::new(SystemClock::start()))?;
    let scope = arguments.scopes.join(" ");
    println!("{}", tokens.issue(tenant.as_ref(), &arguments.sub, &scope, &arguments.aud, arguments.life)?);
    Ok(Exit::Done)
}

fn life(text: &str) -> Result<Duration, String> {
    let life = Duration::read(&runtime::settings::text(text))?;
    if life > LIFE_MAX { Err("at most 744h".to_owned()) } else { Ok(life) }
}
