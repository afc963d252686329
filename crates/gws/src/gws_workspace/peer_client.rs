//! Services beside GWS: voicemail (gws-17), iwd (gws-26), digital-channels (gws-27) and ucs (gws-28), each at the address that a setting
//! names. Without one, nothing is asked, and whoever wants something of it is told which service is missing.
//!
//! What each is asked is an operation of one person: `/<service>/v3/{tenant}/people/{person}/...`, with the role's token. One that hangs
//! keeps so many requests waiting and no more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Answer, CallError, Client, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Settings;
use super::behind::{PeerFault, PeerQuestion, PeerService, PeerSide};
use super::metrics::{AskOutcome, Metrics};

/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Requests to one service that are under way at most: a small part of those that the role takes.
const UNDER_WAY_MAX: usize = 128;
/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Refusals that whoever has asked is told; all others are faults between the two.
const TOLD: [StatusCode; 6] = [
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::CONFLICT,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::TOO_MANY_REQUESTS,
];

/// How a service is known in the drawing, in the settings and in paths.
struct PeerNames {
    /// Its name there, to which the role shows its token.
    name: &'static str,
    /// The connection.
    row: &'static str,
    /// The setting with its address.
    setting: &'static str,
    /// What its paths begin with.
    base: &'static str,
}

fn names(service: PeerService) -> PeerNames {
    let names = |name, row, setting, base| PeerNames { name, row, setting, base };
    match service {
        PeerService::Voicemail => names("voicemail", "gws-17", "voicemail", "/voicemail/v3"),
        PeerService::Iwd => names("iwd", "gws-26", "iwd", "/iwd/v3"),
        PeerService::DigitalChannels => names("digital-channels", "gws-27", "digital_channels", "/nexus/v3"),
        PeerService::Ucs => names("ucs", "gws-28", "ucs", "/ucs/v3"),
    }
}

/// One of them, whose address is known.
#[derive(Clone)]
struct KnownPeer {
    client: Client,
    at: SocketAddr,
    places: Arc<Semaphore>,
}

/// The clients.
#[derive(Clone)]
pub(super) struct PeerClient {
    voicemail: Option<KnownPeer>,
    iwd: Option<KnownPeer>,
    digital_channels: Option<KnownPeer>,
    ucs: Option<KnownPeer>,
    metrics: Metrics,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where something of a person is.
fn path_of(base: &str, tenant: &TenantId, user: &str, below: &str) -> String {
    format!("{base}/{}/people/{}/{below}", encoded(tenant.as_str()), encoded(user))
}

impl PeerClient {
    /// By the role's connections, as far as there are addresses.
    ///
    /// # Errors
    /// If the role does not declare one of them.
    pub fn new(ctx: &RoleContext, settings: &Settings, metrics: Metrics) -> anyhow::Result<Self> {
        let known = |service: PeerService, address: Option<SocketAddr>| -> anyhow::Result<Option<KnownPeer>> {
            let Some(at) = address else { return Ok(None) };
            let PeerNames { name, row, .. } = names(service);
            let client = Client::to(ctx, row, name, at.port())?;
            Ok(Some(KnownPeer { client, at, places: Arc::new(Semaphore::new(UNDER_WAY_MAX)) }))
        };
        Ok(Self {
            voicemail: known(PeerService::Voicemail, settings.voicemail)?,
            iwd: known(PeerService::Iwd, settings.iwd)?,
            digital_channels: known(PeerService::DigitalChannels, settings.digital_channels)?,
            ucs: known(PeerService::Ucs, settings.ucs)?,
            metrics,
        })
    }

    fn known(&self, service: PeerService) -> Option<&KnownPeer> {
        let known = match service {
            PeerService::Voicemail => &self.voicemail,
            PeerService::Iwd => &self.iwd,
            PeerService::DigitalChannels => &self.digital_channels,
            PeerService::Ucs => &self.ucs,
        };
        known.as_ref()
    }
}

impl KnownPeer {
    async fn asked(self, path: String, question: PeerQuestion) -> Result<Value, PeerFault> {
        let name = names(question.service).name;
        let Ok(_place) = self.places.try_acquire() else { return Err(PeerFault::Away(name)) };
        let call = self.client.call(question.method, &path).at(self.at).deadline(ANSWER_WITHIN);
        let call = if question.body.is_null() { call } else { call.json(&question.body) };
        read(name, call.send_any().await)
    }
}

/// What an answer says.
fn read(name: &'static str, answered: Result<Answer, CallError>) -> Result<Value, PeerFault> {
    let answer = answered.map_err(|error| {
        tracing::debug!(%error, service = name, "a service does not answer");
        match error {
            CallError::Deadline(_) | CallError::Broken(..) => PeerFault::Late(name),
            _ => PeerFault::Away(name),
        }
    })?;
    if answer.body.len() > ANSWER_BYTES_MAX {
        tracing::warn!(service = name, bytes = answer.body.len(), "the answer of a service is too large");
        return Err(PeerFault::Late(name));
    }
    if TOLD.contains(&answer.status) {
        return Err(PeerFault::Refused(answer.problem()));
    }
    if !answer.status.is_success() {
        tracing::warn!(problem = %answer.problem(), service = name, "a service fails, or does not take the role");
        return Err(PeerFault::Away(name));
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    answer.json().map_err(|error| {
        tracing::warn!(%error, service = name, "the answer of a service cannot be read");
        PeerFault::Late(name)
    })
}

impl PeerSide for PeerClient {
    fn is_set(&self, service: PeerService) -> bool {
        self.known(service).is_some()
    }

    fn ask(
        &self,
        tenant: TenantId,
        user: String,
        question: PeerQuestion,
    ) -> BoxFuture<'static, Result<Value, PeerFault>> {
        let PeerNames { name, setting, base, .. } = names(question.service);
        let Some(peer) = self.known(question.service).cloned() else {
            return futures::future::ready(Err(PeerFault::Unset(name, setting))).boxed();
        };
        let path = path_of(base, &tenant, &user, &question.below);
        let asks = self.metrics.peer_asks.clone();
        async move {
            let told = peer.asked(path, question).await;
            asks.inc(match &told {
                Ok(_) => AskOutcome::Taken,
                Err(PeerFault::Refused(_)) => AskOutcome::Refused,
                Err(PeerFault::Late(_)) => AskOutcome::Late,
                Err(PeerFault::Unset(..) | PeerFault::Away(_)) => AskOutcome::Unanswered,
            });
            told
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answered(status: StatusCode, body: &str) -> Result<Value, PeerFault> {
        read("ucs", Ok(Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() }))
    }

    #[test]
    fn whatever_a_person_is_called_is_one_part_of_the_path() {
        let acme = TenantId::parse("acme").unwrap();
        let PeerNames { base, .. } = names(PeerService::Ucs);
        assert_eq!(path_of(base, &acme, "a/b", "contacts/search"), "/ucs/v3/acme/people/a%2Fb/contacts/search");
    }

    #[test]
    fn each_service_is_reached_by_its_row_and_missed_by_its_name() {
        for service in [PeerService::Voicemail, PeerService::Iwd, PeerService::DigitalChannels, PeerService::Ucs] {
            let PeerNames { name, row, setting, .. } = names(service);
            let drawn = runtime::connections::find(row).unwrap();
            assert_eq!((drawn.from, drawn.to), ("gws-workspace", name));
            let words = PeerFault::Unset(name, setting).to_string();
            assert!(words.starts_with(&format!("{name}: ")) && Settings::TABLE.iter().any(|it| it.key == setting));
        }
    }

    #[test]
    fn what_a_service_refuses_is_told_and_what_fails_between_the_two_is_not() {
        assert_eq!(answered(StatusCode::OK, r#"{"data": 7}"#), Ok(json!({"data": 7})));
        assert_eq!(answered(StatusCode::NO_CONTENT, ""), Ok(Value::Null));
        assert!(
            matches!(answered(StatusCode::NOT_FOUND, ""), Err(PeerFault::Refused(problem)) if problem.status == 404)
        );
        for status in [StatusCode::UNAUTHORIZED, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FOUND] {
            assert_eq!(answered(status, "{}"), Err(PeerFault::Away("ucs")), "{status}");
        }
        assert_eq!(answered(StatusCode::OK, "no JSON"), Err(PeerFault::Late("ucs")), "it was carried out");
        assert!(matches!(answered(StatusCode::OK, &"1".repeat(ANSWER_BYTES_MAX + 1)), Err(PeerFault::Late("ucs"))));
        assert_eq!(read("ucs", Err(CallError::Nowhere("ucs"))), Err(PeerFault::Away("ucs")));
    }
}
