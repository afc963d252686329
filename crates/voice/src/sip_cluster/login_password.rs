//! The password of a login: config checks it (voice-28), and agent-state gets the verdict alone.

use std::time::Duration;

use contracts::configuration::{LoginQuestion, PinAnswer};
use contracts::provisioning::Secret;
use model::request::LoginPassword;
use model::{Request, RequestKind};
use net::http::{Client, Problem};

/// Deadline for config's answer; frontend waits a little longer for the request's.
const CHECK_TIME: Duration = Duration::from_millis(1_500);

/// Puts the verdict in the place of a login's password.
///
/// # Errors
/// 503 if config does not answer. It is asked once: a repeated question would count a wrong password twice.
pub(super) async fn check(config: &Client, request: Request) -> Result<Request, Problem> {
    let Request { kind: RequestKind::AgentLogin(agent, work_mode, LoginPassword::Typed(typed)), .. } = request else {
        return Ok(request);
    };
    let (tenant, dn) = (&request.tenant, &request.this_dn);
    let question =
        LoginQuestion { dn: dn.to_string(), agent: agent.as_ref().map(ToString::to_string), password: Secret(typed) };
    let call = config.post(&format!("/tenants/{tenant}/logins")).json(&question);
    let verdict = match call.deadline(CHECK_TIME).fetch().await {
        Ok(answer) => verdict(answer),
        Err(error) => {
            tracing::warn!(%tenant, %dn, %error, "config cannot tell about a password");
            return Err(Problem::unavailable("the password cannot be checked now"));
        }
    };
    Ok(Request { kind: RequestKind::AgentLogin(agent, work_mode, verdict), ..request })
}

/// For an agent without a PIN a login is as one without a password.
const fn verdict(answer: PinAnswer) -> LoginPassword {
    match answer {
        PinAnswer::Right => LoginPassword::Right,
        PinAnswer::Wrong | PinAnswer::Wait => LoginPassword::Wrong,
        PinAnswer::None | PinAnswer::Digits { .. } => LoginPassword::Absent,
    }
}
