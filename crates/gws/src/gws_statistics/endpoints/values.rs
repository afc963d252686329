//! Values without a subscription, for clients and for gws-workspace. What is asked for stays open for a minute, so that repeated questions
//! cost little, and what grows goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use model::TenantId;
use net::http::{Caller, JsonBody, Problem, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::asked::{self, AskedStatistic, FaultyStatistic};
use super::super::followed::FollowedTenant;
use super::super::subscriptions::{ShownStatistic, shown};
use super::super::tenant_statistics::{KnownReading, StatisticsOwner};
use super::super::{ServedStatistics, VALUES_FOR_DESKTOPS_WITHIN, VALUES_WITHIN, refusal_of};
use super::{StatisticsAsker, statistics_of};
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The role that asks for values of any object: it has verified who is at the desktop.
const WORKSPACE: &str = "gws-workspace";

/// Values, and why other statistics have none.
#[derive(Default)]
struct HeldValues {
    values: Vec<Value>,
    refused: Vec<(String, ApiRefusal)>,
    /// Statistics whose values are not known yet.
    pending: Vec<String>,
    /// Whether values come, and these are as they are now.
    is_available: bool,
}

impl HeldValues {
    /// Opens statistics for a while, and waits a moment for their values.
    async fn of(
        followed: &FollowedTenant,
        owner: &StatisticsOwner,
        all: Vec<AskedStatistic>,
        within: Duration,
    ) -> Self {
        let (mut open, mut held) = (Vec::new(), Self::default());
        for asked in all {
            match followed.hold(&asked.request, owner) {
                Ok(reference) => open.push((asked, reference)),
                Err(full) => held.refused.push((asked.statistic_id, ApiRefusal::unavailable(full.to_string()))),
            }
        }
        let references: Vec<u64> = open.iter().map(|(_, reference)| *reference).collect();
        followed.settled(&references, within).await;
        held.is_available = followed.are_current(&references);
        for (asked, reference) in open {
            match followed.known(reference) {
                Some(KnownReading::Value(reading)) => held.values.push(shown(&asked, &reading, ShownStatistic::Whole)),
                Some(KnownReading::Refused(why, _)) => held.refused.push((asked.statistic_id, refusal_of(&why))),
                None => held.pending.push(asked.statistic_id),
            }
        }
        held
    }

    /// These cannot be read, whatever else is known.
    fn refuse(&mut self, faulty: Vec<FaultyStatistic>) {
        let refused = faulty.into_iter().map(|one| (one.statistic_id, ApiRefusal::bad_request(one.fault)));
        self.refused.extend(refused);
    }

    /// As gws-workspace is answered.
    fn told(&self) -> Value {
        let refused = self.refused.iter();
        let refused = refused.map(|(id, refusal)| json!({"statisticId": id, "message": refusal.message()}));
        json!({
            "values": self.values, "refused": refused.collect::<Vec<Value>>(), "pending": self.pending,
            "isAvailable": self.is_available,
        })
    }
}

impl ServedStatistics {
    async fn values(
        &self,
        tenant: &TenantId,
        owner: &StatisticsOwner,
        all: Vec<AskedStatistic>,
        within: Duration,
    ) -> Result<HeldValues, ApiRefusal> {
        self.sessions.takes_requests()?;
        let followed = self.tenants.follow(tenant)?;
        let held = HeldValues::of(&followed, owner, all, within).await;
        if held.values.is_empty() && followed.is_available() != Some(true) {
            return Err(not_read_now());
        }
        Ok(held)
    }

    /// What a client may see of them.
    async fn seen(
        &self,
        asker: &StatisticsAsker,
        asked: Vec<AskedStatistic>,
    ) -> Result<(Vec<Value>, Vec<ApiRefusal>), ApiRefusal> {
        let (asked, mut hidden) = self.own_agents.visible(&asker.sign_in, asked).await?;
        let owner = StatisticsOwner::Subject(asker.sign_in.subject.as_str().into());
        let mut held = HeldValues::default();
        if !asked.is_empty() {
            held = self.values(&asker.sign_in.tenant, &owner, asked, VALUES_WITHIN).await?;
            // Nothing in an answer would say that they were true a while ago.
            if !held.is_available {
                return Err(not_read_now());
            }
        }
        hidden.extend(held.refused.into_iter().map(|(id, refusal)| refusal.about(&id)));
        let unknown = || ApiRefusal::unavailable("its value is not known yet");
        hidden.extend(held.pending.iter().map(|id| unknown().about(id)));
        match hidden.first() {
            Some(first) if held.values.is_empty() => Err(first.clone()),
            _ => Ok((held.values, hidden)),
        }
    }
}

fn not_read_now() -> ApiRefusal {
    ApiRefusal::unavailable("the statistics of the tenant cannot be read now")
}

/// The object of a statistic.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::gws_statistics) struct ObjectOfStatistic {
    object_id: Option<String>,
    object_type: Option<String>,
}

/// `GET /statistic-values/{name}`: the value of one statistic.
pub(in crate::gws_statistics) async fn one(
    State(served): State<Arc<ServedStatistics>>,
    asker: StatisticsAsker,
    Path(name): Path<String>,
    Query(object): Query<ObjectOfStatistic>,
) -> Result<Response, ApiRefusal> {
    let (id, kind) = (object.object_id.unwrap_or_default(), object.object_type.unwrap_or_default());
    let asked = AskedStatistic::named(&name, &id, &kind).map_err(ApiRefusal::bad_request)?;
    let (values, _) = served.seen(&asker, vec![asked]).await?;
    let value = values.into_iter().next().ok_or_else(ApiRefusal::internal)?;
    Ok(answers::data(&json!({"statistic": value})))
}

/// `POST /operations/get-statistic-ex`: the values of several.
pub(in crate::gws_statistics) async fn several(
    State(served): State<Arc<ServedStatistics>>,
    asker: StatisticsAsker,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let (list, at) = statistics_of(&body);
    let asked = asked::read_all(list, at).map_err(ApiRefusal::bad_request)?;
    let (values, refused) = served.seen(&asker, asked).await?;
    Ok(answers::data_beside(&json!({"statistics": values}), &refused))
}

/// `POST /statistics/v3/{tenant}/values`: the values of several, for gws-workspace.
pub(in crate::gws_statistics) async fn for_role(
    State(served): State<Arc<ServedStatistics>>,
    caller: Caller,
    Path(tenant): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, Problem> {
    let tenant = tenant_for(&caller, &tenant)?;
    let (list, at) = statistics_of(&body);
    let (asked, faulty) = asked::read_each(list, at).map_err(Problem::bad_request)?;
    let mut held = HeldValues { is_available: true, ..HeldValues::default() };
    if !asked.is_empty() {
        let read = served.values(&tenant, &StatisticsOwner::Desktops, asked, VALUES_FOR_DESKTOPS_WITHIN).await;
        held = read.map_err(|refusal| Problem::unavailable(refusal.message().to_owned()))?;
    }
    held.refuse(faulty);
    Ok(Json(held.told()))
}

/// The tenant, if the caller is the role that may ask about it.
fn tenant_for(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(WORKSPACE) {
        return Err(Problem::forbidden(format!("this is for the role {WORKSPACE} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::not_found(error.to_string()))
}

#[cfg(test)]
mod tests {
    use contracts::v1;
    use infra::SystemClock;
    use runtime::RoleSpec;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};

    use super::*;

    static WORKSPACE_SPEC: RoleSpec = RoleSpec { opens: &["gws-30"], ..RoleSpec::bare("gws-workspace", 27) };

    /// One value that is not known keeps no other back, and one that was true before a break is not told as one of now.
    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_told_beside_what_is_not_and_whether_it_is_as_it_is_now() {
        let followed = FollowedTenant::new(Arc::new(SystemClock::start()));
        let asked = |id: &str| AskedStatistic::named(id, "1001", "Agent").unwrap();
        let all = || vec![asked("CallsHandled"), asked("CurrentAgentState"), asked("Nothing")];
        let asked_for = || HeldValues::of(&followed, &StatisticsOwner::Desktops, all(), VALUES_FOR_DESKTOPS_WITHIN);
        let told = asked_for().await.told();
        let pending = json!(["CallsHandled", "CurrentAgentState", "Nothing"]);
        assert_eq!(told, json!({"values": [], "refused": [], "pending": pending, "isAvailable": false}));

        let open = followed.next_message(0).unwrap().open;
        let reading = v1::StatisticReading {
            at_us: 7_000,
            value: Some(v1::statistic_reading::Value::Number(4)),
            counts_since_us: None,
        };
        let value = v1::StatisticTold { reference: open[0].reference, value: Some(reading) };
        let refused = v1::StatisticRefused { reference: open[2].reference, message: "no such".to_owned(), why: 3 };
        followed.told(
            0,
            v1::FollowStatisticsResponse { values: vec![value], refused: vec![refused], ..Default::default() },
        );
        let told = asked_for().await.told();
        assert_eq!((&told["values"][0]["value"], &told["isAvailable"]), (&json!(4), &json!(true)));
        assert_eq!(told["pending"], json!(["CurrentAgentState"]));
        assert_eq!(told["refused"], json!([{"statisticId": "Nothing", "message": "no such"}]));
        let mut beside = asked_for().await;
        beside.refuse(vec![FaultyStatistic { statistic_id: "7".to_owned(), fault: "name: it is missing".to_owned() }]);
        let told = beside.told();
        assert_eq!(told["values"][0]["value"], json!(4), "a fault of one is none of another");
        assert_eq!(told["refused"][1], json!({"statisticId": "7", "message": "name: it is missing"}));
        followed.broken(0);
        let told = asked_for().await.told();
        assert_eq!((&told["values"][0]["value"], &told["isAvailable"]), (&json!(4), &json!(false)));
    }

    #[test]
    fn the_role_of_desktops_alone_asks_for_the_values_of_every_object() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let workspace = ServiceIssuer::of_new_key(&WORKSPACE_SPEC, clock.clone()).unwrap();
        let verifier = TokenVerifier::of(&issuer, &[&workspace]);
        let token = workspace.token("gws-workspace-1", "gws-statistics").unwrap();
        let workspace = verifier.verify(&token, "gws-statistics", &[]).unwrap();
        assert_eq!(tenant_for(&workspace, "acme").unwrap().as_str(), "acme");
        assert_eq!(tenant_for(&workspace, "").unwrap_err().status, 404);
        let hour = Duration::from_secs(3_600);
        let program = issuer.issue(None, "gws-workspace/gws-workspace-1", "calls:read", hour).unwrap();
        let program = verifier.verify(&program, "gws-statistics", &[runtime::ApiFamily::Voice]).unwrap();
        assert_eq!(tenant_for(&program, "acme").unwrap_err().status, 403);
    }
}
