//! The codes with which agents log in, besides their ids.

use call::agent::WRAP_UP_TIME;
use contracts::provisioning::AgentLogin;
use model::event::ErrorCode;
use model::{AgentId, Request, RequestKind, SharedMap};

use super::{OBJECTS_MAX, People};

/// The objects of configuration that are login codes, by their codes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LoginCodes(SharedMap<String, AgentLogin>);

impl LoginCodes {
    pub(super) fn put(&mut self, login: AgentLogin) {
        if self.0.len() < OBJECTS_MAX || self.0.contains_key(&login.code) {
            self.0.insert(login.code.clone(), login);
        }
    }

    pub(super) fn remove(&mut self, code: &str) {
        self.0.remove(code);
    }
}

impl People {
    /// Puts the agent's id in the place of a login code that a login names, and the wrap-up time of that code beside it where the login
    /// names none. An id goes before a code that is the same. Who is no agent by either stays named as it was.
    ///
    /// # Errors
    /// When nobody logs in with the code.
    pub(super) fn resolve_login(&self, request: &mut Request) -> Result<(), (ErrorCode, &'static str)> {
        let RequestKind::AgentLogin(Some(named), ..) = &mut request.kind else { return Ok(()) };
        if self.index.person(named).is_some() {
            return Ok(());
        }
        let login = self.login_codes.0.get(named.as_str());
        if login.is_some_and(|login| login.disabled) {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "AgentID: nobody logs in with this code"));
        }
        let person = match login {
            Some(login) => login.person.as_ref(),
            None => self.index.person_with_code(named.as_str()),
        };
        if let Some(id) = person.and_then(|person| AgentId::parse(&self.agents.get(person)?.id).ok()) {
            *named = id;
            if let Some(seconds) = login.and_then(|login| login.wrap_up_s)
                && request.extensions.get(WRAP_UP_TIME).is_none()
            {
                request.extensions.push(WRAP_UP_TIME, i64::from(seconds));
            }
        }
        Ok(())
    }
}
