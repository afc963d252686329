//! Whose numbers somebody may see, as tenant and the token say it of whoever asks. The rules are in [`crate::whose_numbers`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::v1;
use contracts::v1::provisioning_client::ProvisioningClient;
use infra::Clock;
use model::{TenantId, Timestamp};
use net::grpc::Channel;
use runtime::RoleContext;
use serde_json::Value;
use tonic::{Code, Request};

use super::asked::AskedStatistic;
use super::statistics_sign_in::StatisticsSignIn;
use super::{CONFIGURATION_PORT, CONFIGURATION_ROW};
use crate::sessions::answers::ApiRefusal;
use crate::whose_numbers::{self, NumbersSight, ObjectOwner, OwnNames};

/// For how long it is remembered which agent a person is.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How long a request waits for that to learn whether what is open may still be seen.
const SIGHT_WITHIN: Duration = Duration::from_millis(500);
/// The most people of whom it is remembered; with one more all are forgotten.
const REMEMBERED_MAX: usize = 20_000;

/// Which agent a person is, read at tenant (tenant-07).
pub(super) struct OwnAgents {
    client: ProvisioningClient<Channel>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<HashMap<(TenantId, String), RememberedAgent>>,
}

#[derive(Clone)]
struct RememberedAgent {
    names: Option<Arc<OwnNames>>,
    read_at: Timestamp,
}

/// The names of a person's agent, from the person's document; none if the person is no agent.
fn names_of(user: &str, document: &str) -> Option<OwnNames> {
    let person: Value = serde_json::from_str(document).ok()?;
    let text = |pointer| person.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some(OwnNames { id: text("/agent/id")?, login_code: text("/agent/login_code"), user: user.to_owned() })
}

impl OwnAgents {
    /// By the role's connection to tenant.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        let channel = net::grpc::channel(ctx, CONFIGURATION_ROW, CONFIGURATION_PORT)?;
        let client = ProvisioningClient::new(channel);
        Ok(Self { client, clock: ctx.clock.clone(), remembered: Mutex::default() })
    }

    /// Those of the statistics that somebody may see, and a refusal for each of the others.
    ///
    /// # Errors
    /// If it cannot be read now which agent the person is.
    pub async fn visible(
        &self,
        sign_in: &StatisticsSignIn,
        asked: Vec<AskedStatistic>,
    ) -> Result<(Vec<AskedStatistic>, Vec<ApiRefusal>), ApiRefusal> {
        if sign_in.sees_others {
            return Ok((asked, Vec::new()));
        }
        let is_needed = asked.iter().any(|one| needs_names(sign_in, one));
        let own = if is_needed { self.own_names(sign_in).await? } else { None };
        let (mut seen, mut refused) = (Vec::new(), Vec::new());
        for mut one in asked {
            let sight = numbers_sight(sign_in, own.as_deref());
            match sight.seen_as(&one.request.object_type, &one.request.object_id).map(str::to_owned) {
                Some(object) => {
                    one.request.object_id = object;
                    seen.push(one);
                }
                None => refused.push(for_supervisors(&one).about(&one.statistic_id)),
            }
        }
        Ok((seen, refused))
    }

    /// By what is seen now what is open of somebody: by the token that was shown last. None if that cannot be read in time; values do not
    /// come then either, for tenant tells both.
    pub async fn sight<'s>(&self, sign_in: &'s StatisticsSignIn, needs_names: bool) -> Option<AgentSight<'s>> {
        let read = async { if needs_names { self.own_names(sign_in).await } else { Ok(None) } };
        let own = tokio::time::timeout(SIGHT_WITHIN, read).await.ok()?.ok()?;
        Some(AgentSight { sign_in, own })
    }

    async fn own_names(&self, sign_in: &StatisticsSignIn) -> Result<Option<Arc<OwnNames>>, ApiRefusal> {
        let Some(user) = sign_in.user() else { return Ok(None) };
        let (key, now) = ((sign_in.tenant.clone(), user.to_owned()), self.clock.now());
        if let Some(known) = self.remembered(&key, now) {
            return Ok(known.names);
        }
        let asked = v1::GetObjectRequest { kind: "person".to_owned(), id: user.to_owned(), fields: Vec::new() };
        let asked = net::grpc::for_tenant(Request::new(asked), &sign_in.tenant);
        let names = match self.client.clone().get(asked).await {
            Ok(found) => names_of(user, &found.into_inner().json).map(Arc::new),
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => None,
            Err(status) => {
                tracing::warn!(%status, "tenant does not say which agent a person is");
                return Err(ApiRefusal::unavailable("the configuration cannot be read now"));
            }
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, RememberedAgent { names: names.clone(), read_at: now });
        Ok(names)
    }

    fn remembered(&self, key: &(TenantId, String), now: Timestamp) -> Option<RememberedAgent> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(key).filter(|known| now.since(known.read_at) < REMEMBERED_FOR).cloned()
    }
}

/// What somebody sees.
pub(super) struct AgentSight<'s> {
    sign_in: &'s StatisticsSignIn,
    own: Option<Arc<OwnNames>>,
}

impl AgentSight<'_> {
    /// Whether a statistic that is open may be seen.
    pub fn shows(&self, asked: &AskedStatistic) -> bool {
        let sight = numbers_sight(self.sign_in, self.own.as_deref());
        sight.shows(&asked.request.object_type, &asked.request.object_id)
    }
}

/// Whether it is told by the person's names whether somebody may see it. The agent of a token is an employee id.
pub(super) fn needs_names(sign_in: &StatisticsSignIn, asked: &AskedStatistic) -> bool {
    let is_of_token = sign_in.agent.as_deref() == Some(asked.request.object_id.as_str());
    ObjectOwner::of(&asked.request.object_type) == ObjectOwner::Agent && !is_of_token
}

fn numbers_sight<'a>(sign_in: &'a StatisticsSignIn, own: Option<&'a OwnNames>) -> NumbersSight<'a> {
    let StatisticsSignIn { dn, agent, sees_others, .. } = sign_in;
    NumbersSight { sees_others: *sees_others, dn: dn.as_deref(), agent: agent.as_deref(), own }
}

/// The refusal of a statistic that is hidden from whoever asks.
pub(super) fn for_supervisors(asked: &AskedStatistic) -> ApiRefusal {
    ApiRefusal::forbidden(whose_numbers::for_supervisors(&asked.request.object_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<'s> AgentSight<'s> {
        /// Of somebody who is the agent of the token.
        pub fn of_test(sign_in: &'s StatisticsSignIn) -> Self {
            Self { sign_in, own: None }
        }
    }

    fn asked(object_type: &str, object_id: &str) -> AskedStatistic {
        AskedStatistic::named("CallsHandled", object_id, object_type).unwrap()
    }

    fn names() -> OwnNames {
        OwnNames { id: "1001".to_owned(), login_code: Some("1002".to_owned()), user: "1003".to_owned() }
    }

    #[test]
    fn what_is_seen_follows_from_the_token_and_the_names_of_its_person() {
        let own = Arc::new(names());
        let mut ann =
            StatisticsSignIn { dn: Some("7101".to_owned()), ..StatisticsSignIn::of_test("1003", "workspace:use") };
        let sees = |ann: &StatisticsSignIn, object_type: &str, id: &str| {
            AgentSight { sign_in: ann, own: Some(own.clone()) }.shows(&asked(object_type, id))
        };
        assert!(sees(&ann, "Agent", "1001") && sees(&ann, "RegDN", "7101") && sees(&ann, "Queue", "sales"));
        assert!(!sees(&ann, "Agent", "1003") && !sees(&ann, "RegDN", "7102"));
        ann.sees_others = true;
        assert!(sees(&ann, "Agent", "1003") && sees(&ann, "RegDN", "7102"));
    }

    #[test]
    fn whoever_is_no_agent_and_has_no_phone_sees_none() {
        let sue = StatisticsSignIn::of_test("sue", "calls:read");
        for object_type in ["Agent", "RegDN"] {
            assert_eq!(numbers_sight(&sue, None).seen_as(object_type, "1001"), None, "{object_type}");
        }
        let tied = StatisticsSignIn { agent: Some("1001".to_owned()), ..sue };
        assert!(!needs_names(&tied, &asked("Agent", "1001")) && needs_names(&tied, &asked("Agent", "1002")));
        assert_eq!(numbers_sight(&tied, None).seen_as("Agent", "1001"), Some("1001"));
    }

    #[test]
    fn the_names_of_a_person_stand_in_its_document() {
        let ann = names_of("1003", r#"{"user_name":"1003","agent":{"id":"1001","login_code":"1002"}}"#);
        assert_eq!(ann, Some(names()));
        assert_eq!(names_of("sue", r#"{"user_name":"sue","agent":null}"#), None);
    }
}
