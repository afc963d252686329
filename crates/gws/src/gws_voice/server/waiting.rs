//! What a call has come through, which calls wait, and why one of them does.

use contracts::v1;
use model::{ConnId, Timestamp};

use super::*;
use crate::course_api::{CallCourse, ExplainedWait, KeptAgents, PassedOverAgent, WaitingCallList, WaitingRequest};
use crate::gws_voice::picture::TenantPicture;

#[derive(Deserialize)]
pub(super) struct CallPath {
    tenant: String,
    call: String,
}

impl CallPath {
    fn conn_id(&self) -> Result<ConnId, Problem> {
        self.call.parse().map_err(|_| no_such_call())
    }
}

fn no_such_call() -> Problem {
    Problem::not_found("there is no such call, or it does not wait any more")
}

/// Reads the picture of a tenant, once there is one.
pub(super) async fn read<T>(
    followed: &FollowedTenant,
    read: impl Fn(&TenantPicture, Timestamp) -> T + Sync,
) -> Result<T, Problem> {
    if followed.is_cut_off() {
        return Err(Problem::unavailable(ReaderRefusal::CutOff.to_string()));
    }
    let mut settled = followed.settled();
    let known = async {
        loop {
            if let Some(told) = followed.read(&read) {
                return Ok(told);
            }
            settled.changed().await.map_err(|_| Problem::unavailable("stopping"))?;
        }
    };
    let known = tokio::time::timeout(STATE_WITHIN, known).await;
    known.unwrap_or_else(|_| Err(Problem::unavailable("the calls of the tenant are not known yet")))
}

/// What a call has come through.
pub(super) async fn course(
    caller: Caller,
    State(served): State<ServedVoice>,
    Path(path): Path<CallPath>,
) -> Result<Json<CallCourse>, Problem> {
    let tenant = tenant_for(&caller, &path.tenant)?;
    let call = path.conn_id()?;
    let followed = served.tenants.follow(&tenant)?;
    let course = read(&followed, |picture, _| picture.course(call).cloned()).await?;
    course.map(Json).ok_or_else(no_such_call)
}

/// The calls that wait.
pub(super) async fn list(
    caller: Caller,
    State(served): State<ServedVoice>,
    Path(path): Path<TenantPath>,
) -> Result<Json<WaitingCallList>, Problem> {
    let tenant = tenant_for(&caller, &path.tenant)?;
    let followed = served.tenants.follow(&tenant)?;
    read(&followed, TenantPicture::waiting).await.map(Json)
}

/// Why a call waits.
pub(super) async fn why(
    caller: Caller,
    State(served): State<ServedVoice>,
    Path(path): Path<CallPath>,
) -> Result<Json<ExplainedWait>, Problem> {
    let tenant = tenant_for(&caller, &path.tenant)?;
    let conn_id = path.conn_id()?;
    let followed = served.tenants.follow(&tenant)?;
    let look = |picture: &TenantPicture, now| {
        Some((picture.waiting_call(conn_id, now)?, picture.course(conn_id).cloned().unwrap_or_default(), now))
    };
    let (call, course, now) = read(&followed, look).await?.ok_or_else(no_such_call)?;
    let asked = net::grpc::for_tenant(tonic::Request::new(v1::ExplainRequest { conn_id: conn_id.0 }), &tenant);
    let told = served.waiting.clone().explain(asked).await.map_err(|status| problem_of(&status))?;
    let requests = told.into_inner().waiting.into_iter().map(|waits| request(waits, now)).collect();
    Ok(Json(ExplainedWait { call, course, requests }))
}

/// A request that waits, as it is told to desktops.
fn request(waits: v1::Waiting, now: Timestamp) -> WaitingRequest {
    let agent = |candidate: v1::Candidate| PassedOverAgent { agent: candidate.agent, why: candidate.passed_over };
    let reason = |kept: v1::KeptAgents| KeptAgents { why: kept.passed_over, agents: kept.agents };
    WaitingRequest {
        // Expressions of skills stand behind the mark of a target that is one.
        asks_for: waits.skill_expression.strip_prefix("?:").unwrap_or(&waits.skill_expression).to_owned(),
        priority: waits.priority,
        waiting: now.since(Timestamp::from_micros(waits.waiting_since_us)).as_secs(),
        agents: waits.candidates.into_iter().map(agent).collect(),
        reasons: waits.kept.into_iter().map(reason).collect(),
        without_skills: waits.without_skills,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_have_the_skills_are_counted_by_reason_and_some_are_named() {
        let candidate = |agent: &str, passed_over: &str| v1::Candidate {
            agent: agent.to_owned(),
            passed_over: passed_over.to_owned(),
            ready_for_ms: 0,
        };
        let candidates = vec![candidate("1003", ""), candidate("1001", "on-call")];
        let kept = |passed_over: &str, agents| v1::KeptAgents { passed_over: passed_over.to_owned(), agents };
        let waits = v1::Waiting {
            skill_expression: "?:French >= 4".to_owned(),
            priority: 3,
            waiting_since_us: 2_000_000,
            candidates,
            kept: vec![kept("", 1), kept("on-call", 70)],
            without_skills: 429,
            ..v1::Waiting::default()
        };
        let told = request(waits, Timestamp::from_millis(43_500));
        assert_eq!((told.asks_for.as_str(), told.priority, told.waiting), ("French >= 4", 3, 41));
        let named: Vec<_> = told.agents.iter().map(|agent| (agent.agent.as_str(), agent.why.as_str())).collect();
        assert_eq!(named, [("1003", ""), ("1001", "on-call")]);
        let reasons: Vec<_> = told.reasons.iter().map(|reason| (reason.why.as_str(), reason.agents)).collect();
        assert_eq!((reasons, told.without_skills), (vec![("", 1), ("on-call", 70)], 429));
    }
}
