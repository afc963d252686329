//! `trunkline tenant api-key create|list|revoke`: the API keys of a tenant.

use std::time::Duration;

use clap::Subcommand;
use contracts::json::{read_rfc3339, rfc3339};
use infra::{ApiKey, ChangeWay, Clock as _, SystemClock};
use model::Timestamp;
use runtime::exit::{Exit, ExitError};
use serde_json::{Value, json};
use tenant::api_keys::{self, ApiKeyMaker, ApiKeyRefusal, ApiKeyWanted};

use super::{InstallationOptions, executor, tenant_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant api-key create acme --name crm --scope webhooks --scope statistics:read > crm.key
  trunkline tenant api-key create acme --name board --client board --scope statistics:read --expires 90d
  trunkline tenant api-key list acme
  trunkline tenant api-key revoke acme 3bF0aZ9xQ1c

A program sends the key as it would a token: Authorization: Bearer tlk_...";

#[derive(Subcommand)]
pub enum Arguments {
    /// Makes a key and prints it, this once: it is kept nowhere
    #[command(
        after_help = "Examples:\n  trunkline tenant api-key create acme --name crm --scope webhooks > crm.key\n  \
                            trunkline tenant api-key create acme --name crm --scope webhooks --expires 2027-01-01T00:00:00Z"
    )]
    Create {
        /// The tenant's id
        tenant: String,
        /// What people call it
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What its bearer may, as statistics:read; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// The client for which it is, whose scopes bound it; without it the key is of the tenant
        #[arg(long, value_name = "CLIENT")]
        client: Option<String>,
        /// When it ends: a time, or in how long, as 90d; a year without it, two at most
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Lists the keys, the latest first, also those that have ended within 30 days
    #[command(after_help = "Examples:\n  trunkline tenant api-key list acme\n  \
                            trunkline tenant api-key list acme --json | jq -r 'select(.used_at == null) | .id'")]
    List {
        /// The tenant's id
        tenant: String,
        /// A JSON document a line
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key; within two seconds nothing of it is good any more
    #[command(after_help = "Examples:\n  trunkline tenant api-key revoke acme 3bF0aZ9xQ1c")]
    Revoke {
        /// The tenant's id
        tenant: String,
        /// The key's id: what stands between tlk_ and its secret
        id: String,
    },
}

pub(super) fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<()> {
    let now = SystemClock::start().now();
    match arguments {
        Arguments::Create { tenant, name, scopes, client, expires } => {
            let ends_at = expires.as_deref().map(|text| expiry(text, now)).transpose()?;
            let (name, client, scopes) = (name.clone(), client.clone(), scopes.clone());
            create(options, tenant, ApiKeyWanted { name, client, scopes, ends_at, request: None })
        }
        Arguments::List { tenant, json } => list(options, tenant, *json, now),
        Arguments::Revoke { tenant, id } => revoke(options, tenant, id),
    }
}

fn create(options: &InstallationOptions, tenant: &str, wanted: ApiKeyWanted) -> anyhow::Result<()> {
    let tenant = tenant_id(tenant)?;
    let made = executor()?.block_on(async {
        let (store, keys) = stores(options).await?;
        let note = crate::author::note(ChangeWay::CommandLine);
        // Whoever may write the database has no scopes, and may everything.
        let maker = ApiKeyMaker { by: &note.by, may: &|_| true, now: note.at, origin: &note.origin };
        api_keys::make(&*store, &*keys, &tenant, wanted, &maker, api_keys::mint()).await.map_err(refused)
    })?;
    let key = &made.key;
    // The key alone is on the standard output, so that it can be led into a file.
    eprintln!("API key {} ({}) of {tenant}, until {}: it is shown this once", key.id, key.name, rfc3339(key.ends_at));
    if let Some(text) = &made.text {
        say_line!("{text}");
    }
    Ok(())
}

fn list(options: &InstallationOptions, tenant: &str, is_json: bool, now: Timestamp) -> anyhow::Result<()> {
    let tenant = tenant_id(tenant)?;
    let keys = executor()?.block_on(async {
        let (store, keys) = stores(options).await?;
        if store.revision(&tenant).await?.is_none() {
            return Err(refused(ApiKeyRefusal::NoTenant(tenant.clone())));
        }
        Ok(keys.api_keys(&tenant).await?)
    })?;
    for key in &keys {
        match is_json {
            true => say_line!("{}", as_json(key)),
            false => say_line!("{}", line(key, now)),
        }
    }
    Ok(())
}

fn revoke(options: &InstallationOptions, tenant: &str, id: &str) -> anyhow::Result<()> {
    let tenant = tenant_id(tenant)?;
    executor()?.block_on(async {
        let (_, keys) = stores(options).await?;
        let note = crate::author::note(ChangeWay::CommandLine);
        api_keys::revoke(&*keys, &tenant, id, &note).await.map_err(refused)
    })?;
    say_line!("API key {id} of {tenant} is revoked");
    Ok(())
}

async fn stores(options: &InstallationOptions) -> anyhow::Result<crate::stores::KeyStores> {
    crate::stores::api_keys(options.instance, &options.data_dir(), &options.values()?).await
}

fn refused(refusal: ApiKeyRefusal) -> anyhow::Error {
    let exit = match &refusal {
        ApiKeyRefusal::Fault { .. } | ApiKeyRefusal::BeyondMaker(_) | ApiKeyRefusal::ByApiKey => Exit::CheckFailed,
        ApiKeyRefusal::NoTenant(_) | ApiKeyRefusal::NoKey(_) => Exit::Unknown,
        ApiKeyRefusal::Store(_) => return refusal.into(),
    };
    ExitError::new(exit, refusal.to_string()).into()
}

/// A time, or how long from `now`.
fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, ExitError> {
    let later = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        Some(now + Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
    };
    let wrong = || format!("--expires {text}: it is neither a time, as 2027-01-01T00:00:00Z, nor in how long, as 90d");
    read_rfc3339(text).or_else(later).ok_or_else(|| ExitError::new(Exit::Usage, wrong()))
}

/// What has become of a key.
fn state(key: &ApiKey, now: Timestamp) -> String {
    match key.revoked_at {
        Some(at) => format!("revoked {}", rfc3339(at)),
        None if key.is_good(now) => format!("until {}", rfc3339(key.ends_at)),
        None => format!("over since {}", rfc3339(key.ends_at)),
    }
}

fn line(key: &ApiKey, now: Timestamp) -> String {
    let from = key.used_from.as_ref().map(|address| format!(" from {address}")).unwrap_or_default();
    let used = key.used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}{from}", rfc3339(at)));
    let client = key.client.as_ref().map(|client| format!("  client {client}")).unwrap_or_default();
    format!(
        "{}  {}  {}  {}  {used}{client}  by {}",
        key.id,
        key.name,
        key.scopes.join(" "),
        state(key, now),
        key.made_by
    )
}

fn as_json(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "client": key.client,
        "scopes": key.scopes,
        "made_by": key.made_by,
        "made_at": rfc3339(key.made_at),
        "expires_at": rfc3339(key.ends_at),
        "used_at": key.used_at.map(rfc3339),
        "used_from": key.used_from,
        "revoked_at": key.revoked_at.map(rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_763_622_000_000);

    #[test]
    fn an_end_is_a_time_or_in_how_long() {
        let from_now = |text: &str| expiry(text, NOW).map(|at| at.since(NOW).as_secs()).ok();
        assert_eq!((from_now("90d"), from_now("12h"), from_now("5m")), (Some(7_776_000), Some(43_200), Some(300)));
        assert_eq!(from_now("2025-11-20T07:00:01Z"), Some(1));
        for wrong in ["", "d", "-1d", "7w", "tomorrow", "ü"] {
            assert_eq!(from_now(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_a_line_that_says_what_has_become_of_it() {
        let key = ApiKey {
            id: "3bF0aZ9xQ1c".to_owned(),
            name: "crm".to_owned(),
            client: Some("desk".to_owned()),
            scopes: vec!["statistics:read".to_owned(), "webhooks".to_owned()],
            made_by: "user/root".to_owned(),
            made_at: NOW,
            ends_at: NOW + Duration::from_secs(60),
            used_at: None,
            used_from: None,
            revoked_at: None,
        };
        let expected = "3bF0aZ9xQ1c  crm  statistics:read webhooks  until 2025-11-20T07:01:00.000000Z  never used  \
                        client desk  by user/root";
        assert_eq!(line(&key, NOW), expected);
        let over = line(&key, NOW + Duration::from_secs(60));
        assert!(over.contains("over since 2025-11-20T07:01:00"), "{over}");
        let from = Some("192.0.2.7".to_owned());
        let revoked = ApiKey { revoked_at: Some(NOW), used_at: Some(NOW), used_from: from, ..key };
        let said = line(&revoked, NOW);
        assert!(said.contains("  used 2025-11-20T07:00:00.000000Z from 192.0.2.7  client desk"), "{said}");
        assert!(line(&revoked, NOW).contains("revoked 2025-11-20T07:00:00"), "{}", line(&revoked, NOW));
        assert_eq!(as_json(&revoked)["used_at"], "2025-11-20T07:00:00.000000Z");
    }
}
