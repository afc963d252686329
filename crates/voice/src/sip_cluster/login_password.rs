//! The password of a login: config checks it (voice-28), and agent-state gets the verdict alone, and whom it is about.

use std::time::Duration;

use call::agent::WRAP_UP_TIME;
use contracts::configuration::{LoginAnswer, LoginQuestion, PinAnswer};
use contracts::provisioning::Secret;
use model::request::LoginPassword;
use model::{AgentId, Request, RequestKind};
use net::http::{Client, Problem};

/// Deadline for config's answer; frontend waits a little longer for the request's.
const CHECK_TIME: Duration = Duration::from_millis(1_500);

/// Puts the verdict in the place of a login's password.
///
/// # Errors
/// 503 if config does not answer. It is asked once: a repeated question would count a wrong password twice.
pub(super) async fn check(config: &Client, request: Request) -> Result<Request, Problem> {
    let RequestKind::AgentLogin(agent, _, LoginPassword::Typed(typed)) = &request.kind else {
        return Ok(request);
    };
    let (tenant, dn) = (&request.tenant, &request.this_dn);
    let (agent, password) = (agent.as_ref().map(ToString::to_string), Secret(typed.clone()));
    let question = LoginQuestion { dn: dn.to_string(), agent, password };
    let call = config.post(&format!("/tenants/{tenant}/logins")).json(&question);
    let answer: LoginAnswer = match call.deadline(CHECK_TIME).fetch().await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%tenant, %dn, %error, "config cannot tell about a password");
            return Err(Problem::unavailable("the password cannot be checked now"));
        }
    };
    Ok(judged(request, &answer))
}

/// The login with what config says of its password. One that is right names by the id whose it is, with the wrap-up time of the code that
/// it has named: agent-state reads the configuration by itself, perhaps at another version, in which the code is somebody else's.
fn judged(mut request: Request, answer: &LoginAnswer) -> Request {
    let verified = answer.agent.as_deref().and_then(|id| AgentId::parse(id).ok());
    if verified.is_some()
        && let Some(seconds) = answer.wrap_up_s
        && request.extensions.get(WRAP_UP_TIME).is_none()
    {
        request.extensions.push(WRAP_UP_TIME, i64::from(seconds));
    }
    if let RequestKind::AgentLogin(agent, _, password) = &mut request.kind {
        *password = verdict(answer.verdict);
        *agent = verified.or(agent.take());
    }
    request
}

/// For an agent without a PIN a login is as one without a password.
const fn verdict(answer: PinAnswer) -> LoginPassword {
    match answer {
        PinAnswer::Right => LoginPassword::Right,
        PinAnswer::Wrong | PinAnswer::Wait => LoginPassword::Wrong,
        PinAnswer::None | PinAnswer::Digits { .. } => LoginPassword::Absent,
    }
}

#[cfg(test)]
mod tests {
    use model::{Dn, TenantId, UserData, Value, WorkMode};

    use super::*;

    fn login(named: Option<&str>) -> Request {
        let agent = named.map(|named| AgentId::parse(named).unwrap());
        Request {
            tenant: TenantId::parse("t1").unwrap(),
            requester: "desk".to_owned(),
            reference: model::ReferenceId(1),
            this_dn: Dn::parse("7101").unwrap(),
            kind: RequestKind::AgentLogin(agent, WorkMode::ManualIn, LoginPassword::Typed("1234".to_owned())),
            reasons: UserData::new(),
            extensions: UserData::new(),
        }
    }

    fn told(request: &Request) -> (Option<&str>, &LoginPassword, Option<&Value>) {
        let RequestKind::AgentLogin(agent, _, password) = &request.kind else { panic!("{request:?}") };
        (agent.as_ref().map(AgentId::as_str), password, request.extensions.get(WRAP_UP_TIME))
    }

    #[test]
    fn a_right_password_names_whose_it_is_and_no_code() {
        let right =
            LoginAnswer { agent: Some("a1".to_owned()), wrap_up_s: Some(20), ..LoginAnswer::of(PinAnswer::Right) };
        let by_code = judged(login(Some("5001")), &right);
        assert_eq!(told(&by_code), (Some("a1"), &LoginPassword::Right, Some(&Value::Int(20))));
        let mut own = login(Some("5001"));
        own.extensions.push(WRAP_UP_TIME, 5_i64);
        assert_eq!(told(&judged(own, &right)).2, Some(&Value::Int(5)), "what the login says itself counts");
        let at_place = LoginAnswer { wrap_up_s: None, ..right };
        assert_eq!(told(&judged(login(None), &at_place)), (Some("a1"), &LoginPassword::Right, None));
        for verdict in [PinAnswer::Wrong, PinAnswer::Wait, PinAnswer::None] {
            let kept = judged(login(Some("5001")), &LoginAnswer::of(verdict));
            assert_eq!((told(&kept).0, told(&kept).2), (Some("5001"), None), "{verdict:?}");
        }
    }
}
