//! What people keep for themselves: gws-setting is asked (gws-31).

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Call, CallError, Client};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::Value;

use super::behind::{SettingFault, SettingQuestion, SettingSide};
use crate::contact_api::ContactQuery;

/// Time for an answer, and how long one replica may be silent while another has not been asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const SILENT_MAX: Duration = Duration::from_secs(1);

/// The client.
#[derive(Clone)]
pub(super) struct SettingClient(Client);

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where somebody's records are.
fn path_of(tenant: &TenantId, user: &str, below: &str) -> String {
    format!("/setting/v3/{}/people/{}/{below}", encoded(tenant.as_str()), encoded(user))
}

/// A question for contacts as the query of a path.
fn query(wanted: &ContactQuery) -> String {
    let number = |value: Option<usize>| value.map(|value| value.to_string());
    let parts = [
        ("searchTerm", wanted.search_term.as_deref().map(encoded)),
        ("limit", number(wanted.limit)),
        ("offset", number(wanted.offset)),
    ];
    let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

impl SettingClient {
    /// By the role's connection to gws-setting.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        Ok(Self(Client::new(ctx, "gws-31")?))
    }

    fn call(&self, tenant: &TenantId, user: &str, question: &SettingQuestion) -> Call {
        let at = |below: &str| path_of(tenant, user, below);
        let shared = |below: &str| format!("/setting/v3/{}/{below}", encoded(tenant.as_str()));
        let contact = |id: &str| format!("contacts/{}", encoded(id));
        match question {
            SettingQuestion::Favourites => self.0.get(&at("favourites")),
            SettingQuestion::SaveFavourite(saved) => self.0.post(&at("favourites")).json(saved),
            SettingQuestion::RemoveFavourite { target_type, id } => {
                self.0.delete(&at(&format!("favourites/{}/{}", encoded(target_type), encoded(id))))
            }
            SettingQuestion::Recents => self.0.get(&at("recents")),
            SettingQuestion::NoteRecent(entry) => self.0.post(&at("recents")).json(entry),
            SettingQuestion::Acknowledge(known) => self.0.post(&at("recents/acknowledged")).json(known),
            SettingQuestion::Settings => self.0.get(&at("settings")),
            SettingQuestion::SaveSetting { name, value } => {
                self.0.put(&at(&format!("settings/{}", encoded(name)))).json(value)
            }
            SettingQuestion::RemoveSetting { name } => self.0.delete(&at(&format!("settings/{}", encoded(name)))),
            SettingQuestion::Contacts(wanted) => self.0.get(&at(&format!("contacts{}", query(wanted)))),
            SettingQuestion::Contact(id) => self.0.get(&at(&contact(id))),
            SettingQuestion::AddContact(entry) if entry.is_shared => self.0.post(&shared("contacts")).json(entry),
            SettingQuestion::AddContact(entry) => self.0.post(&at("contacts")).json(entry),
            SettingQuestion::ChangeContact(change) if change.contact.is_shared => {
                self.0.put(&shared(&contact(&change.contact.id))).json(change)
            }
            SettingQuestion::ChangeContact(change) => self.0.put(&at(&contact(&change.contact.id))).json(change),
            SettingQuestion::RemoveContact { id, is_shared: true } => self.0.delete(&shared(&contact(id))),
            SettingQuestion::RemoveContact { id, is_shared: false } => self.0.delete(&at(&contact(id))),
        }
    }
}

impl SettingSide for SettingClient {
    fn ask(
        &self,
        tenant: TenantId,
        user: String,
        question: SettingQuestion,
    ) -> BoxFuture<'static, Result<Value, SettingFault>> {
        // All may be asked twice: what is kept or gone already stays so.
        let call = self.call(&tenant, &user, &question).deadline(ANSWER_WITHIN).idempotent().silent_max(SILENT_MAX);
        async move {
            let away = |error: CallError| {
                tracing::debug!(%error, "gws-setting does not answer");
                SettingFault::Away
            };
            let answer = call.send_any().await.map_err(away)?;
            if answer.status.is_server_error() {
                tracing::debug!(problem = %answer.problem(), "gws-setting has no answer");
                return Err(SettingFault::Away);
            }
            if !answer.status.is_success() {
                return Err(SettingFault::Refused(answer.problem()));
            }
            if answer.body.is_empty() { Ok(Value::Null) } else { answer.json().map_err(away) }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_person_is_called_is_one_part_of_the_path() {
        let acme = TenantId::parse("acme").unwrap();
        assert_eq!(path_of(&acme, "a/b c", "recents"), "/setting/v3/acme/people/a%2Fb%20c/recents");
    }

    #[test]
    fn what_is_typed_in_a_search_for_contacts_is_one_part_of_the_query() {
        assert_eq!(query(&ContactQuery::default()), "");
        let wanted = ContactQuery { search_term: Some("a&b +4".to_owned()), limit: Some(7), offset: None };
        assert_eq!(query(&wanted), "?searchTerm=a%26b%20%2B4&limit=7");
    }
}
