//! Call data in prompt names (voice-21). `welcome-{Language|en}` is completed when it is to be played, with the data of the call's
//! application at that time. The query goes to ors.

use std::time::Duration;

use net::http::Client;
use runtime::RoleContext;
use serde_json::Value as Json;
use sip::agent::DialogId;
use tokio::sync::mpsc;

use super::node::call_data::{CallData, Question};

/// The port of ors.
const PORT: u16 = 11_200;
/// How long ors may take to answer. The caller hears silence during this time.
const ASK_TIME: Duration = Duration::from_millis(800);
/// The most answers that wait for the loop; each leg has at most one query.
const ANSWERS_MAX: usize = 1_024;

/// Queries ors outside the loop.
pub struct Asker {
    client: Client,
    ctx: RoleContext,
    answers: mpsc::Sender<(DialogId, CallData)>,
}

impl Asker {
    /// A new asker, and the receiver of its answers.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<(Self, mpsc::Receiver<(DialogId, CallData)>)> {
        let (answers, come) = mpsc::channel(ANSWERS_MAX);
        Ok((Self { client: Client::new(ctx, "voice-21")?, ctx: ctx.clone(), answers }, come))
    }

    /// Sends a query. An answer always comes; it has no data if ors gives none.
    pub fn ask(&self, question: Question) {
        let (client, answers) = (self.client.clone(), self.answers.clone());
        let replicas = self.ctx.directory.addresses("ors", PORT);
        tokio::spawn(async move {
            let Question { dialog, tenant, conn_id } = question;
            let path = format!("/tenants/{tenant}/calls/{conn_id}");
            let asking = async {
                for replica in replicas {
                    // The session runs at one of them; the others answer 404.
                    match client.get(&path).at(replica).deadline(ASK_TIME).fetch::<Json>().await {
                        Ok(said) => return read(&said),
                        Err(error) => tracing::debug!(%conn_id, %replica, %error, "no call data"),
                    }
                }
                tracing::warn!(%conn_id, "ors has no data of a call whose prompt is to be named by it");
                CallData::new()
            };
            let data = tokio::time::timeout(ASK_TIME, asking).await.unwrap_or_default();
            // A loop that has ended needs no answer.
            let _ = answers.send((dialog, data)).await;
        });
    }
}

/// Texts and numbers of an answer: the session's own and the call's business data, which takes precedence.
pub(super) fn read(said: &Json) -> CallData {
    let texts = |object: &Json| -> Vec<(String, String)> {
        let pairs = object.as_object().into_iter().flatten();
        pairs
            .filter_map(|(key, value)| match value {
                Json::String(text) => Some((key.to_ascii_lowercase(), text.clone())),
                Json::Number(number) => Some((key.to_ascii_lowercase(), number.to_string())),
                _ => None,
            })
            .collect()
    };
    texts(said).into_iter().chain(texts(&said["UserData"])).collect()
}
