//! `trunkline token`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use infra::SystemClock;
use model::{AgentId, Dn, TenantId};
use runtime::caller::Tie;
use runtime::exit::{Exit, ExitError};
use runtime::settings::{SettingValue as _, nearest};
use runtime::token::Audience;
use runtime::{ApiFamily, data_dir, key_files, scope, token};

use super::{InstallationOptions, executor, tenant};
use crate::roles;

/// Tokens with a longer lifetime are refused: a lost one could not be revoked.
const LIFE_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// Tokens count in seconds.
const LIFE_MIN: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Arguments {
    /// The tenant that the token is for; without it the token is for every tenant of the installation
    #[arg(long)]
    tenant: Option<String>,
    /// Ties the token to one DN of the tenant: its bearer can make requests for that DN only
    #[arg(long, requires = "tenant", value_name = "NUMBER")]
    dn: Option<String>,
    /// With --dn: the only agent who may be logged in there
    #[arg(long, requires = "dn", value_name = "ID")]
    agent: Option<String>,
    /// A right of the bearer; may be repeated. The list is below
    #[arg(long = "scope", required = true, value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The bearer, as KIND/NAME
    #[arg(long, default_value = "operator/cli")]
    sub: String,
    /// An API family that it is for, or a role; may be repeated [default: the families of its scopes]
    #[arg(long = "aud", value_name = "NAME")]
    audience: Vec<String>,
    /// Lifetime: 15m, 8h; at most 744h
    #[arg(long, default_value = "12h", value_parser = life)]
    life: Duration,
}

/// Prints a token on stdout.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let usage = |error: model::id::InvalidId| ExitError::new(Exit::Usage, format!("--tenant: {error}"));
    let tenant = arguments.tenant.as_deref().map(TenantId::parse).transpose().map_err(usage)?;
    let scopes: Vec<&str> = arguments.scopes.iter().flat_map(|scope| scope.split_whitespace()).collect();
    check_scopes(&scopes)?;
    let tie = tie(arguments.dn.as_deref(), arguments.agent.as_deref(), &scopes)?;
    let audience = audience(&arguments.audience, &scopes)?;
    check_subject(&arguments.sub)?;
    data_dir::expect(&options.data_dir())?;
    if let Some(tenant) = &tenant {
        executor()?.block_on(async {
            check_tenant(options, tenant).await?;
            match &tie {
                Some(tie) => check_tie(options, tenant, tie).await,
                None => Ok(()),
            }
        })?;
    }
    let issuer = key_files::issuer(&options.data_dir(), Arc::new(SystemClock::start()))?;
    let (tenant, scopes) = (tenant.as_ref(), scopes.join(" "));
    let token = issuer.issue_for(audience, tenant, tie.as_ref(), &arguments.sub, &scopes, arguments.life)?;
    say_line!("{token}");
    Ok(Exit::Done)
}

/// The tie of the token. Only requests and events are limited to one DN; for other scopes, the tie would have no effect.
fn tie(dn: Option<&str>, agent: Option<&str>, scopes: &[&str]) -> Result<Option<Tie>, ExitError> {
    let usage = |key: &str, error: model::id::InvalidId| ExitError::new(Exit::Usage, format!("{key}: {error}"));
    let Some(dn) = dn else { return Ok(None) };
    let dn = Dn::parse(dn).map_err(|error| usage("--dn", error))?;
    let agent = agent.map(AgentId::parse).transpose().map_err(|error| usage("--agent", error))?;
    match scopes.iter().find(|name| !scope::OF_ONE_DN.contains(name)) {
        Some(other) => {
            let scopes = scope::OF_ONE_DN.join(", ");
            let message = format!("--dn: the scope {other:?} is not for one DN; only these are: {scopes}");
            Err(ExitError::new(Exit::Usage, message))
        }
        None => Ok(Some(Tie { dn, agent })),
    }
}

/// Refuses a DN or an agent that the tenant does not have: the token would be useless.
async fn check_tie(options: &InstallationOptions, tenant: &TenantId, tie: &Tie) -> anyhow::Result<()> {
    let Some((_, objects)) = tenant::open(options).await?.load(tenant).await? else { return Ok(()) };
    let missing = |key: &str, noun: &str, id: &str| {
        let message = format!("{key}: the tenant {:?} has no {noun} {id:?}", tenant.as_str());
        anyhow::Error::from(ExitError::new(Exit::Usage, message))
    };
    if !objects.dns.iter().any(|dn| dn.number == tie.dn.as_str()) {
        return Err(missing("--dn", "DN", tie.dn.as_str()));
    }
    let is_agent = |id: &AgentId| {
        objects.people.iter().filter_map(|person| person.agent.as_ref()).any(|agent| agent.id == id.as_str())
    };
    match &tie.agent {
        Some(agent) if !is_agent(agent) => Err(missing("--agent", "agent", agent.as_str())),
        _ => Ok(()),
    }
}

/// The table of scopes, for `--help`.
pub fn scope_table() -> String {
    let width = scope::TABLE.iter().map(|scope| scope.name.len()).max().unwrap_or_default();
    scope::TABLE.iter().map(|scope| format!("  {:<width$}  {}\n", scope.name, scope.meaning())).collect()
}

/// Refuses scopes that are not in the table; all of them at once.
fn check_scopes(scopes: &[&str]) -> Result<(), ExitError> {
    let faults: Vec<String> = scopes.iter().filter_map(|name| scope_fault(name)).collect();
    if scopes.is_empty() {
        return Err(ExitError::new(Exit::Usage, "--scope is empty"));
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(ExitError::new(Exit::Usage, format!("{}\nthere are\n{}", faults.join("\n"), scope_table().trim_end())))
}

/// For whom the token is. A name that nobody has is refused, and a scope that none of the families opens: the token would be useless.
fn audience(names: &[String], scopes: &[&str]) -> Result<Audience, ExitError> {
    if names.is_empty() {
        return Ok(Audience::of_scope(&scopes.join(" ")));
    }
    let known = || ApiFamily::ALL.map(ApiFamily::as_str).into_iter().chain(roles::TABLE.iter().map(|spec| spec.name));
    if let Some(other) = names.iter().find(|name| !known().any(|known| known == name.as_str())) {
        let hint = nearest(other, known()).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        let families = ApiFamily::ALL.map(ApiFamily::as_str).join(", ");
        let roles = roles::TABLE.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
        let message = format!(
            "--aud: no API family and no role {other:?}{hint}\nthere are the families {families}\nand the roles {roles}"
        );
        return Err(ExitError::new(Exit::Usage, message));
    }
    let families: Option<Vec<ApiFamily>> = names.iter().map(|name| ApiFamily::parse(name)).collect();
    let is_left_out = |scope: &&scope::Scope| families.as_ref().is_some_and(|named| !named.contains(&scope.family));
    if let Some(scope) = scopes.iter().filter_map(|name| scope::find(name)).find(is_left_out) {
        let (name, family) = (scope.name, scope.family.as_str());
        let message = format!("--aud: the scope {name:?} is for {family:?}, which is not named");
        return Err(ExitError::new(Exit::Usage, message));
    }
    Ok(Audience::of_names(names.iter().map(String::as_str)))
}

/// Refuses a subject that only roles have: no role would accept the token.
fn check_subject(sub: &str) -> Result<(), ExitError> {
    match sub.starts_with(token::SERVICE) {
        true => {
            Err(ExitError::new(Exit::Usage, format!("--sub: subjects that begin with {:?} are roles", token::SERVICE)))
        }
        false => Ok(()),
    }
}

fn scope_fault(name: &str) -> Option<String> {
    if scope::find(name).is_some() {
        return None;
    }
    if name == token::ROLE_SCOPE {
        // Only the installation's own processes are roles.
        return Some("the scope \"role\" is not issued to people".to_owned());
    }
    let hint = scope::near(name).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    Some(format!("there is no scope {name:?}{hint}"))
}

/// Refuses a tenant that the installation does not have: the token would be useless.
pub(super) async fn check_tenant(options: &InstallationOptions, tenant: &TenantId) -> anyhow::Result<()> {
    let known = tenant::open(options).await?.tenants().await?;
    if known.iter().any(|(id, _)| id == tenant) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|(id, _)| id.as_str()).collect();
    let hint = nearest(tenant.as_str(), names.iter().copied());
    let hint = hint.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
    let there_are = if names.is_empty() {
        "there is none yet: `trunkline tenant import FILE` brings one".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    };
    let folder = options.data_dir();
    let message = format!("--tenant: {} has no tenant {:?}{hint}\n{there_are}", folder.display(), tenant.as_str());
    Err(ExitError::new(Exit::Usage, message).into())
}

fn life(text: &str) -> Result<Duration, String> {
    let life = Duration::read(&runtime::settings::text(text))?;
    if life < LIFE_MIN {
        return Err("at least 1s: a token that is over opens nothing".to_owned());
    }
    if life > LIFE_MAX { Err("at most 744h".to_owned()) } else { Ok(life) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unknown_scope_is_named_with_the_one_that_was_meant() {
        assert!(check_scopes(&["calls:read", "operate"]).is_ok());
        let refused = check_scopes(&["call:read", "calls:read", "everything", "role"]).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        for said in [
            "\"call:read\"; did you mean \"calls:read\"?",
            "no scope \"everything\"\n",
            "not issued to people",
            "trace:numbers",
        ] {
            assert!(refused.message.contains(said), "{said}: {refused}");
        }
        assert!(check_scopes(&[]).is_err());
    }

    #[test]
    fn a_token_is_for_the_families_of_its_scopes_or_for_fewer_or_for_roles() {
        let of = |names: &[&str], scopes: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            audience(&names, scopes).map(|audience| audience.to_string())
        };
        let scopes = ["calls:read", "config:read"];
        assert_eq!(of(&[], &scopes).unwrap(), "voice, tenant");
        assert_eq!(of(&["tenant", "voice", "telemetry"], &scopes).unwrap(), "tenant, voice, telemetry");
        assert_eq!(of(&["frontend"], &scopes).unwrap(), "frontend");
        assert_eq!(of(&["frontend", "voice"], &scopes).unwrap(), "frontend, voice");
        for (names, said) in [
            (&["tenent"][..], "no role \"tenent\"; did you mean \"tenant\"?"),
            (&["voice", "frontent"][..], "did you mean \"frontend\"?"),
            (&["voice"][..], "the scope \"config:read\" is for \"tenant\", which is not named"),
            (&["trunkline"][..], "no role \"trunkline\""),
        ] {
            let refused = of(names, &scopes).unwrap_err();
            assert!(refused.exit == Exit::Usage && refused.message.contains(said), "{said}: {refused}");
        }
    }

    #[test]
    fn nobody_is_issued_the_token_of_a_role() {
        assert!(check_subject("operator/ann").is_ok());
        assert_eq!(check_subject("service/ors/ors-1").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn only_what_is_for_one_dn_is_tied_to_one() {
        let desk = tie(Some("7101"), Some("1001"), &["calls:read", "agents:control"]).unwrap().unwrap();
        assert_eq!((desk.dn.as_str(), desk.agent.as_ref().map(AgentId::as_str)), ("7101", Some("1001")));
        let refused = tie(Some("7101"), None, &["calls:control", "routing:read"]).unwrap_err();
        assert!(
            refused.exit == Exit::Usage && refused.message.contains("\"routing:read\" is not for one DN"),
            "{refused}"
        );
        assert!(tie(Some(""), None, &["calls:control"]).is_err() && tie(Some("7101"), Some(""), &[]).is_err());
        assert_eq!(tie(None, None, &["calls:read"]).unwrap(), None);
    }

    #[test]
    fn a_token_lives_a_second_at_least() {
        assert!(life("0s").is_err() && life("999ms").is_err() && life("745h").is_err());
        assert_eq!(life("1s"), Ok(Duration::from_secs(1)));
    }
}
