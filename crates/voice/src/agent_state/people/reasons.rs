//! Why agents are not ready: what requests say, in the tenant's codes and their names.

use contracts::provisioning::{ACTION_CODES_MAX, ActionCode, folded_name};
use model::agent::WorkMode;
use model::event::ErrorCode;
use model::request::ForcedState;
use model::{Request, RequestKind, SharedMap, Value};

/// The most reasons of one tenant: twice as many as it may have, as others come before those go whose place they take.
const REASONS_MAX: usize = 2 * ACTION_CODES_MAX;
/// The keys of `Reasons` with the code and its name.
const CODE: &str = "ReasonCode";
const NAME: &str = "ReasonName";

/// The reasons that a tenant has: the name of each code.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NotReadyReasons(SharedMap<String, String>);

impl NotReadyReasons {
    pub fn put(&mut self, reason: ActionCode) {
        if self.0.len() < REASONS_MAX || self.0.contains_key(&reason.code) {
            self.0.insert(reason.code, reason.name);
        }
    }

    pub fn remove(&mut self, code: &str) {
        self.0.remove(code);
    }

    /// Gives a request that makes not ready both code and name of its reason, if it has one of the tenant's. Another one is refused where
    /// the tenant is strict, and has no name elsewhere: names are the tenant's.
    pub fn complete(&self, request: &mut Request, is_strict: bool) -> Result<(), (ErrorCode, &'static str)> {
        if self.0.is_empty() || !makes_not_ready(&request.kind) {
            return Ok(());
        }
        let reasons = &mut request.reasons;
        let Some(given) = reasons.get(CODE).or_else(|| reasons.get(NAME)) else { return Ok(()) };
        let Some(word) = word_of(given) else {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "Reasons: ReasonCode is neither a text nor a number"));
        };
        match self.meant(&word) {
            Some((code, name)) => {
                reasons.set(CODE, code);
                reasons.set(NAME, name);
            }
            None if is_strict => {
                return Err((ErrorCode::INVALID_ATTRIBUTE, "Reasons: ReasonCode is none of the tenant's"));
            }
            None => {
                reasons.remove(NAME);
            }
        }
        Ok(())
    }

    /// The code and the name of the reason that is meant by either of them.
    fn meant(&self, word: &str) -> Option<(&str, &str)> {
        let folded = folded_name(word);
        let is_it = |(code, name): &(&String, &String)| [code, name].iter().any(|one| folded_name(one) == folded);
        self.0.iter().find(is_it).map(|(code, name)| (code.as_str(), name.as_str()))
    }
}

/// The code or name that a request has. A program may send a code as a number.
fn word_of(given: &Value) -> Option<String> {
    match given {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Binary(_) | Value::List(_) => None,
    }
}

/// After-call work is no pause: its reasons are the agent's own.
fn makes_not_ready(kind: &RequestKind) -> bool {
    match kind {
        RequestKind::AgentNotReady(mode) => *mode != WorkMode::AfterCallWork,
        RequestKind::AgentLogin(_, mode, _) => *mode != WorkMode::AutoIn,
        RequestKind::ForceAgentState(_, state) => *state == ForcedState::NotReady,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use model::{Dn, ReferenceId, TenantId, UserData};

    use super::*;

    fn reasons() -> NotReadyReasons {
        let mut reasons = NotReadyReasons::default();
        for (code, name) in [("1", "Lunch"), ("2", "Training")] {
            reasons.put(ActionCode { code: code.to_owned(), name: name.to_owned(), order: None });
        }
        reasons
    }

    /// What becomes of a reason of a request.
    fn completed(kind: RequestKind, code: impl Into<Value>, is_strict: bool) -> Option<UserData> {
        let mut given = UserData::new();
        given.set(CODE, code);
        completed_of(kind, given, is_strict)
    }

    /// What becomes of the reasons of a request.
    fn completed_of(kind: RequestKind, given: UserData, is_strict: bool) -> Option<UserData> {
        let mut request = Request {
            tenant: TenantId::parse("acme").unwrap(),
            requester: "desk".to_owned(),
            reference: ReferenceId(1),
            this_dn: Dn::parse("7101").unwrap(),
            kind,
            reasons: given,
            extensions: UserData::new(),
        };
        reasons().complete(&mut request, is_strict).ok().map(|()| request.reasons)
    }

    const PAUSE: RequestKind = RequestKind::AgentNotReady(WorkMode::AuxWork);

    #[test]
    fn a_code_gets_its_name_and_a_name_its_code() {
        let lunch: UserData = [(CODE, "1"), (NAME, "Lunch")].into_iter().collect();
        for word in ["1", "Lunch", "LUNCH"] {
            assert_eq!(completed(PAUSE, word, true), Some(lunch.clone()), "{word}");
        }
        assert_eq!(completed(PAUSE, 1_i64, true), Some(lunch.clone()));
        let forced = RequestKind::ForceAgentState(Dn::parse("7102").unwrap(), ForcedState::NotReady);
        assert_eq!(completed(forced, "lunch", true), Some(lunch));
    }

    #[test]
    fn a_name_is_the_tenants_alone() {
        let of = |pairs: &[(&str, &str)], is_strict| completed_of(PAUSE, pairs.iter().copied().collect(), is_strict);
        let lunch: UserData = [(CODE, "1"), (NAME, "Lunch")].into_iter().collect();
        assert_eq!(of(&[(CODE, "1"), (NAME, "Training")], true), Some(lunch.clone()));
        assert_eq!(of(&[(NAME, "lunch")], true).map(|reasons| reasons.text(CODE) == Some("1")), Some(true));
        assert_eq!(of(&[(NAME, "Dentist")], true), None);
        assert_eq!(of(&[(NAME, "Dentist")], false), Some(UserData::new()));
        let other: UserData = [(CODE, "Dentist")].into_iter().collect();
        assert_eq!(of(&[(CODE, "Dentist"), (NAME, "Lunch")], false), Some(other));
    }

    #[test]
    fn another_reason_is_refused_where_the_tenant_is_strict() {
        let other: UserData = [(CODE, "Dentist")].into_iter().collect();
        assert_eq!(completed(PAUSE, "Dentist", false), Some(other.clone()));
        assert_eq!(completed(PAUSE, "Dentist", true), None);
        let kept = RequestKind::AgentNotReady(WorkMode::AfterCallWork);
        assert_eq!(completed(kept, "Dentist", true), Some(other), "after-call work has no such reasons");
        for other in [Value::List(UserData::new()), Value::Binary(vec![1])] {
            assert_eq!(completed(PAUSE, other, false), None, "it is no code at all");
        }
        let mut none = reasons();
        none.remove("1");
        none.remove("2");
        assert!(none.0.is_empty(), "a tenant without reasons takes each");
    }
}
