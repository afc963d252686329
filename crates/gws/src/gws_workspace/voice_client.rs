//! gws-voice, as it is reached (gws-29): requests about calls and agents, and a reader of the events of each tenant.

mod followed;
mod link;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Answer, CallError, Client};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::{Value, json};

use super::behind::{DnReader, FollowedDn, ReaderId, VoiceLook, VoiceSide};
use super::desk::AskFault;
use super::metrics::{AskOutcome, Metrics};
use link::TenantLink;

/// The connection.
const CONNECTION: &str = "gws-29";
/// Time for gws-voice to take a request.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// Time for gws-voice to tell what it knows, and what it asks for that.
const TOLD_WITHIN: Duration = Duration::from_secs(8);
/// How long one replica may be silent meanwhile while another has not been asked.
const SILENT_MAX: Duration = Duration::from_secs(3);

/// The client.
pub(super) struct VoiceClient {
    ctx: RoleContext,
    client: Client,
    metrics: Metrics,
    links: Arc<TenantLinks>,
}

/// The readers of events by tenant.
#[derive(Default)]
struct TenantLinks(Mutex<HashMap<TenantId, Arc<TenantLink>>>);

impl TenantLinks {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<TenantLink>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl VoiceClient {
    /// By the role's connection to gws-voice.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        let client = Client::new(ctx, CONNECTION)?;
        // Events come by long polls, whose silence says nothing.
        client.watch_replicas();
        Ok(Self { ctx: ctx.clone(), client, metrics, links: Arc::default() })
    }
}

impl VoiceSide for VoiceClient {
    fn ask(&self, tenant: TenantId, requester: String, frame: Value) -> BoxFuture<'static, Result<(), AskFault>> {
        let (client, metrics) = (self.client.clone(), self.metrics.clone());
        async move {
            let path = format!("/voice/v3/{}/requests", encoded(tenant.as_str()));
            let asked = client.post(&path).json(&json!({"requester": requester, "frame": frame}));
            let taken = match asked.deadline(TAKEN_WITHIN).send_any().await {
                Ok(answer) if answer.status.is_success() => Ok(()),
                Ok(answer) => Err(refused(&answer)),
                Err(error) => Err(unanswered(&error)),
            };
            metrics.asks.inc(match &taken {
                Ok(()) => AskOutcome::Taken,
                Err(fault) if fault.status == 503 || fault.status == 504 => AskOutcome::Unanswered,
                Err(_) => AskOutcome::Refused,
            });
            taken
        }
        .boxed()
    }

    fn look(&self, tenant: TenantId, what: VoiceLook) -> BoxFuture<'static, Result<Value, AskFault>> {
        let client = self.client.clone();
        async move {
            let tenant = format!("/voice/v3/{}", encoded(tenant.as_str()));
            let path = match what {
                VoiceLook::Course(call) => format!("{tenant}/calls/{}", encoded(&call)),
                VoiceLook::Waiting => format!("{tenant}/waiting-calls"),
                VoiceLook::WaitingCall(call) => format!("{tenant}/waiting-calls/{}", encoded(&call)),
            };
            let asked = client.get(&path).idempotent().silent_max(SILENT_MAX).deadline(TOLD_WITHIN);
            match asked.send_any().await {
                Ok(answer) if answer.status.is_success() => {
                    serde_json::from_slice(&answer.body).map_err(|error| unread(&error))
                }
                Ok(answer) => Err(refused(&answer)),
                Err(error) => Err(unanswered(&error)),
            }
        }
        .boxed()
    }

    fn follow(&self, dn: FollowedDn, after: Option<String>, id: ReaderId, reader: Weak<dyn DnReader>) {
        let FollowedDn { tenant, dn } = dn;
        let mut links = self.links.lock();
        let link = links.entry(tenant.clone()).or_insert_with(|| {
            let link = Arc::new(TenantLink::default());
            let reading = link::LinkReading {
                ctx: self.ctx.clone(),
                client: self.client.clone(),
                metrics: self.metrics.clone(),
                tenant,
                link: link.clone(),
            };
            let links = self.links.clone();
            self.ctx.spawn("events of a tenant's DNs", async move {
                reading.run(&links).await;
                Ok(())
            });
            link
        });
        link.follow(dn, after, id, reader);
    }

    fn unfollow(&self, dn: &FollowedDn, id: ReaderId) {
        if let Some(link) = self.links.lock().get(&dn.tenant) {
            link.unfollow(&dn.dn, id);
        }
    }
}

/// What gws-voice says of a request that it does not take.
fn refused(answer: &Answer) -> AskFault {
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = told["errorCode"].as_u64().or_else(|| told["code"].as_u64());
    let message = told["detail"].as_str().or_else(|| told["title"].as_str()).unwrap_or("it was refused");
    AskFault {
        status: answer.status.as_u16(),
        code: code.and_then(|code| u32::try_from(code).ok()),
        message: message.to_owned(),
    }
}

fn unread(error: &serde_json::Error) -> AskFault {
    tracing::debug!(%error, "an answer of gws-voice cannot be read");
    AskFault { status: 503, code: None, message: "what is told of calls cannot be read".to_owned() }
}

/// 504 where it may have been taken, 503 where it was not sent.
fn unanswered(error: &CallError) -> AskFault {
    tracing::debug!(%error, "gws-voice has not taken a request");
    let status = match error {
        CallError::Deadline(_) | CallError::Broken(..) => 504,
        _ => 503,
    };
    AskFault { status, code: None, message: "calls and agents cannot be reached now".to_owned() }
}

#[cfg(test)]
mod tests {
    use net::http::StatusCode;

    use super::*;

    #[test]
    fn a_refusal_is_told_with_its_number_and_its_words() {
        let answer = |body: &str| Answer {
            status: StatusCode::CONFLICT,
            headers: axum::http::HeaderMap::new(),
            body: body.to_owned().into(),
        };
        let told = refused(&answer(r#"{"title":"t","detail":"ThisDN: it is not yours","errorCode":71}"#));
        assert_eq!((told.status, told.code, told.message.as_str()), (409, Some(71), "ThisDN: it is not yours"));
        let bare = refused(&answer("oops"));
        assert_eq!((bare.status, bare.code, bare.message.as_str()), (409, None, "it was refused"));
    }
}
