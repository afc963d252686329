//! What desktops are told of the configuration: gws-configuration is asked (gws-16).

use std::sync::Once;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Answer, CallError, Client, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::{Value, json};

use super::behind::{
    BrowserPhone, ConfigurationFault, ConfigurationSide, ConfiguredDn, DesktopConfiguration, FoundEntries,
};

/// Time for an answer, and how long one replica may be silent while another has not been asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const SILENT_MAX: Duration = Duration::from_secs(1);

/// The client.
#[derive(Clone)]
pub(super) struct ConfigurationClient(Client);

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl ConfigurationClient {
    /// By the role's connection to gws-configuration.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        Ok(Self(Client::new(ctx, "gws-16")?))
    }

    /// Reads what stands below a tenant; `what` says what that is where there is none.
    async fn read(&self, tenant: &TenantId, below: &str, what: &str) -> Result<Value, ConfigurationFault> {
        let path = format!("/configuration/v3/{}/{below}", encoded(tenant.as_str()));
        let asked = self.0.get(&path).deadline(ANSWER_WITHIN).idempotent().silent_max(SILENT_MAX).send_any().await;
        let answer = asked.map_err(|error| away(&error))?;
        match answer.status {
            StatusCode::NOT_FOUND => Err(ConfigurationFault::Unknown(what.to_owned())),
            StatusCode::CONFLICT => {
                Err(ConfigurationFault::OfAnotherKind(answer.problem().detail.unwrap_or_else(|| what.to_owned())))
            }
            status if status.is_success() => answer.json().map_err(|error| away(&error)),
            _ => Err(refused(&answer)),
        }
    }
}

fn away(error: &CallError) -> ConfigurationFault {
    tracing::debug!(%error, "gws-configuration does not answer");
    ConfigurationFault::Away
}

fn refused(answer: &Answer) -> ConfigurationFault {
    tracing::debug!(problem = %answer.problem(), "gws-configuration refuses");
    ConfigurationFault::Away
}

/// The parameters of a request as its query.
fn query(asked: &[(&'static str, String)]) -> String {
    let pairs: Vec<String> = asked.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

/// Entries of a directory, as they are answered under a name.
fn found(mut told: Value, name: &str) -> FoundEntries {
    let total = told["totalMatches"].as_u64().unwrap_or_default();
    let entries = match told.get_mut(name).map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    FoundEntries { entries, total }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A DN as it is answered, by itself or among those of a place.
///
/// # Errors
/// If it does not say whether it is a phone in a browser: the desktop would take another phone for it, or none.
fn configured_dn(entry: &Value) -> Result<ConfiguredDn, ConfigurationFault> {
    static LACKING: Once = Once::new();
    let Some(is_browser_phone) = entry["browserPhone"].as_bool() else {
        LACKING.call_once(|| tracing::warn!("gws-configuration tells DNs without browserPhone"));
        return Err(ConfigurationFault::Away);
    };
    Ok(ConfiguredDn {
        number: text(&entry["number"]),
        dn_type: text(&entry["type"]),
        switch: text(&entry["switchName"]),
        place: entry["place"].as_str().map(str::to_owned),
        is_browser_phone,
    })
}

impl ConfigurationSide for ConfigurationClient {
    fn desktop(
        &self,
        tenant: TenantId,
        user: String,
    ) -> BoxFuture<'static, Result<DesktopConfiguration, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let (person, what) = (encoded(&user), format!("person {user}"));
            let told = client.read(&tenant, &format!("users/{person}"), &what).await?;
            let configuration = client.read(&tenant, &format!("workspace?person={person}"), &what).await?;
            let user = match told.get("user") {
                Some(user) => user.clone(),
                None => return Err(ConfigurationFault::Away),
            };
            Ok(DesktopConfiguration { user, configuration })
        }
        .boxed()
    }

    fn place(
        &self,
        tenant: TenantId,
        name: String,
    ) -> BoxFuture<'static, Result<Vec<ConfiguredDn>, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let told = client.read(&tenant, &format!("places/{}", encoded(&name)), &format!("place {name}")).await?;
            told["dns"].as_array().into_iter().flatten().map(configured_dn).collect()
        }
        .boxed()
    }

    fn browser_phone(
        &self,
        tenant: TenantId,
        number: String,
    ) -> BoxFuture<'static, Result<BrowserPhone, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let path = format!("browser-phones/{}", encoded(&number));
            let told = client.read(&tenant, &path, &format!("DN {number}")).await?;
            Ok(BrowserPhone { number: text(&told["number"]), realm: text(&told["realm"]) })
        }
        .boxed()
    }

    fn dn(&self, tenant: TenantId, number: String) -> BoxFuture<'static, Result<ConfiguredDn, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let told = client.read(&tenant, &format!("dns/{}", encoded(&number)), &format!("DN {number}")).await?;
            configured_dn(&told)
        }
        .boxed()
    }

    fn targets(
        &self,
        tenant: TenantId,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let told = client.read(&tenant, &format!("targets?{}", query(&asked)), "such tenant").await?;
            Ok(found(told, "targets"))
        }
        .boxed()
    }

    fn target(
        &self,
        tenant: TenantId,
        target_type: String,
        id: String,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let below = format!("targets/{}/{}", encoded(&target_type), encoded(&id));
            let told = client.read(&tenant, &below, &format!("{target_type} {id}")).await?;
            Ok(found(told, "targets"))
        }
        .boxed()
    }

    fn users(
        &self,
        tenant: TenantId,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>> {
        let client = self.clone();
        async move {
            let told = client.read(&tenant, &format!("users?{}", query(&asked)), "such tenant").await?;
            Ok(found(told, "users"))
        }
        .boxed()
    }

    fn shifts(
        &self,
        tenant: TenantId,
        people: Vec<String>,
        (from, to): (u64, u64),
    ) -> BoxFuture<'static, Result<Vec<Value>, ConfigurationFault>> {
        let client = self.0.clone();
        async move {
            let path = format!("/configuration/v3/{}/shifts", encoded(tenant.as_str()));
            let asked = client.post(&path).json(&json!({"people": people, "from": from, "to": to}));
            // It changes nothing.
            let asked = asked.deadline(ANSWER_WITHIN).idempotent().silent_max(SILENT_MAX).send_any().await;
            let answer = asked.map_err(|error| away(&error))?;
            if !answer.status.is_success() {
                return Err(refused(&answer));
            }
            let mut told: Value = answer.json().map_err(|error| away(&error))?;
            match told.get_mut("shifts").map(Value::take) {
                Some(Value::Array(shifts)) => Ok(shifts),
                _ => Err(ConfigurationFault::Away),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dn_is_read_with_what_is_told_of_it() {
        let told = json!({
            "number": "7101", "type": "extension", "switchName": "sip", "place": "Place_1", "browserPhone": true,
        });
        let dn = configured_dn(&told).unwrap();
        assert_eq!((dn.number.as_str(), dn.dn_type.as_str(), dn.switch.as_str()), ("7101", "extension", "sip"));
        assert_eq!((dn.place.as_deref(), dn.is_browser_phone), (Some("Place_1"), true));
        let bare = configured_dn(&json!({"number": "7101", "place": null, "browserPhone": false})).unwrap();
        assert_eq!((bare.number.as_str(), bare.switch.as_str(), bare.place), ("7101", "", None));
        assert!(!bare.is_browser_phone);
        assert_eq!(configured_dn(&json!({"number": "7101"})), Err(ConfigurationFault::Away));
    }

    #[test]
    fn what_is_searched_for_is_written_so_that_nothing_of_it_is_a_parameter_of_its_own() {
        let asked = [("searchTerm", "a&limit=9 ü".to_owned()), ("limit", "5".to_owned())];
        assert_eq!(query(&asked), "searchTerm=a%26limit%3D9%20%C3%BC&limit=5");
    }

    #[test]
    fn entries_of_a_directory_are_read_with_their_total() {
        let told = json!({"users": [{"userName": "ann"}], "totalMatches": 7});
        assert_eq!(found(told, "users"), FoundEntries { entries: vec![json!({"userName": "ann"})], total: 7 });
        assert_eq!(found(json!({}), "users"), FoundEntries::default());
    }
}
