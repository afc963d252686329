//! `GET …/history`: who has changed what, the latest change first.

use axum::Json;
use axum::extract::State;
use contracts::json::rfc3339;
use contracts::v1;
use model::Timestamp;
use net::http::Query;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answers::{SetupRefusal, document, id_in_path, id_of_path};
use super::provisioning::{Provisioning, SetupCaller};

/// Whose history.
#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    kind: Option<String>,
    id: Option<String>,
    page_size: Option<u32>,
    page_token: Option<String>,
}

/// By which way the configuration was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ShownWay {
    /// A whole tenant's file.
    Import,
    /// Single objects, by a program at port 8888 itself, or by a person who chooses another password.
    Grpc,
    /// Single objects, by a page of Agent Setup.
    Page,
    /// Single objects, by a program that asks agent-setup.
    Rest,
    /// People, by a provisioning agent.
    Scim,
    /// Single objects, by the command line.
    CommandLine,
    /// A whole tenant, put back from a snapshot.
    Snapshot,
    /// A whole tenant, put back from a backup.
    Backup,
    /// Nothing was changed: the secrets of a whole tenant were shown in clear.
    Reveal,
    /// A way that a later release has noted.
    Other,
}

impl ShownWay {
    /// The way of that name in an answer of tenant.
    fn named(name: String) -> Self {
        serde_json::from_value(Value::String(name)).unwrap_or(Self::Other)
    }
}

/// A change of one object. Documents have no secrets.
#[derive(Serialize, JsonSchema)]
struct ShownHistory {
    /// Its place in the history: a later change has a higher one.
    number: u64,
    /// The revision of the tenant that it led to.
    revision: u64,
    /// When.
    at: String,
    /// Who: a token's subject, or the user of the machine.
    by: String,
    /// By which way.
    way: ShownWay,
    /// The client of the token; empty if it is not known.
    client: String,
    /// The browser's session, the sign-in at a program, or the id of an API key; empty if it is not known.
    session: String,
    /// The address that it came from; empty if it is not known.
    source: String,
    kind: String,
    id: String,
    /// As it was; null if it was not there.
    #[schemars(with = "Option<Map<String, Value>>")]
    before: Option<Value>,
    /// As it became; null if it was deleted.
    #[schemars(with = "Option<Map<String, Value>>")]
    after: Option<Value>,
    /// Whether its secrets have changed, which the documents do not show.
    secrets_changed: bool,
}

/// A page of the history.
#[derive(Serialize, JsonSchema)]
pub(super) struct HistoryShown {
    items: Vec<ShownHistory>,
    /// Asks for the page behind this one; empty on the last.
    next_page_token: String,
}

fn shown(entry: v1::ObjectHistoryEntry) -> ShownHistory {
    ShownHistory {
        number: entry.number,
        revision: entry.revision,
        at: rfc3339(Timestamp::from_millis(entry.changed_ms)),
        by: entry.changed_by,
        way: ShownWay::named(entry.way),
        client: entry.client,
        session: entry.session,
        source: entry.source,
        id: id_in_path(&entry.kind, &entry.id),
        kind: entry.kind,
        before: document(&entry.before),
        after: document(&entry.after),
        secrets_changed: entry.secrets_changed,
    }
}

pub(super) async fn show(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryShown>, SetupRefusal> {
    let kind = query.kind.unwrap_or_default();
    let id = id_of_path(&kind, query.id.unwrap_or_default());
    let asked = v1::ObjectHistoryRequest {
        kind,
        id,
        page_size: query.page_size.unwrap_or_default(),
        page_token: query.page_token.unwrap_or_default(),
    };
    let page = provisioning.client().history(asker.asks(asked)?).await?.into_inner();
    let items = page.entries.into_iter().map(shown).collect();
    Ok(Json(HistoryShown { items, next_page_token: page.next_page_token }))
}

#[cfg(test)]
mod tests {
    use infra::ChangeWay;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_has_the_name_that_tenant_gives_it() {
        for way in ChangeWay::ALL {
            assert_eq!(json!(ShownWay::named(way.to_string())), json!(way.to_string()));
        }
        let later = v1::ObjectHistoryEntry { way: "by_pigeon".to_owned(), ..v1::ObjectHistoryEntry::default() };
        assert_eq!(shown(later).way, ShownWay::Other);
    }
}
