//! Why agents are not ready, log out and so on: what requests say, in the tenant's codes and their names.

use contracts::provisioning::{ACTION_CODES_MAX, ActionCode, CodedAction, Subcode, folded_name};
use model::agent::WorkMode;
use model::event::ErrorCode;
use model::request::ForcedState;
use model::{Request, RequestKind, SharedMap, UserData, Value};

/// The most reasons of one tenant: twice as many as it may have, as others come before those go whose place they take.
const REASONS_MAX: usize = 2 * ACTION_CODES_MAX;
/// The keys of `Reasons` with the code and its name.
const CODE: &str = "ReasonCode";
const NAME: &str = "ReasonName";
/// Those of the finer reason.
const SUB_CODE: &str = "SubReasonCode";
const SUB_NAME: &str = "SubReasonName";

/// Why a request is refused.
type ReasonFault = (ErrorCode, &'static str);

/// The reasons that a tenant has, by their codes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ActionReasons(SharedMap<String, ActionCode>);

impl ActionReasons {
    pub fn put(&mut self, reason: ActionCode) {
        if self.0.len() < REASONS_MAX || self.0.contains_key(&reason.code) {
            self.0.insert(reason.code.clone(), reason);
        }
    }

    pub fn remove(&mut self, code: &str) {
        self.0.remove(code);
    }

    /// Gives a request both code and name of its reason, if it has one of those that the tenant has for what is asked. Another one is
    /// refused where the tenant is strict, and has no name elsewhere: names are the tenant's.
    pub fn complete(&self, request: &mut Request, is_strict: bool) -> Result<(), ReasonFault> {
        let Some(action) = action_of(&request.kind) else { return Ok(()) };
        if !self.0.values().any(|reason| reason.action == action) {
            return Ok(());
        }
        let reasons = &mut request.reasons;
        let Some(given) = reasons.get(CODE).or_else(|| reasons.get(NAME)) else { return Ok(()) };
        let Some(word) = word_of(given) else {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "Reasons: ReasonCode is neither a text nor a number"));
        };
        match self.meant(action, &word) {
            Some(reason) => {
                reasons.set(CODE, &*reason.code);
                reasons.set(NAME, &*reason.name);
                return refine(reasons, &reason.subcodes, is_strict);
            }
            None if is_strict => {
                return Err((ErrorCode::INVALID_ATTRIBUTE, "Reasons: ReasonCode is none of the tenant's"));
            }
            None => {
                reasons.remove(NAME);
                reasons.remove(SUB_NAME);
            }
        }
        Ok(())
    }

    /// The reason for an action that is meant by its code or its name.
    fn meant(&self, action: CodedAction, word: &str) -> Option<&ActionCode> {
        let folded = folded_name(word);
        let is_it = |reason: &&ActionCode| {
            reason.action == action && [&reason.code, &reason.name].iter().any(|one| folded_name(one) == folded)
        };
        self.0.values().find(is_it)
    }
}

/// Gives the finer reason both its code and its name, as the reason itself has them.
fn refine(reasons: &mut UserData, subcodes: &[Subcode], is_strict: bool) -> Result<(), ReasonFault> {
    let Some(given) = reasons.get(SUB_CODE).or_else(|| reasons.get(SUB_NAME)) else { return Ok(()) };
    let Some(word) = word_of(given) else {
        return Err((ErrorCode::INVALID_ATTRIBUTE, "Reasons: SubReasonCode is neither a text nor a number"));
    };
    let folded = folded_name(&word);
    let is_it = |finer: &&Subcode| [&finer.code, &finer.name].iter().any(|one| folded_name(one) == folded);
    match subcodes.iter().find(is_it) {
        Some(finer) => {
            reasons.set(SUB_CODE, &*finer.code);
            reasons.set(SUB_NAME, &*finer.name);
        }
        None if is_strict => {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "Reasons: SubReasonCode is none of the reason's"));
        }
        None => {
            reasons.remove(SUB_NAME);
        }
    }
    Ok(())
}

/// The code or name that a request has. A program may send a code as a number.
fn word_of(given: &Value) -> Option<String> {
    match given {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Binary(_) | Value::List(_) => None,
    }
}

/// What a request has a reason for. After-call work is no pause: its reasons are the agent's own. A login that does not make ready makes
/// not ready.
fn action_of(kind: &RequestKind) -> Option<CodedAction> {
    match kind {
        RequestKind::AgentNotReady(mode) => (*mode != WorkMode::AfterCallWork).then_some(CodedAction::NotReady),
        RequestKind::AgentLogin(_, WorkMode::AutoIn, _) => Some(CodedAction::Login),
        RequestKind::AgentLogin(..) => Some(CodedAction::NotReady),
        RequestKind::AgentLogout => Some(CodedAction::Logout),
        RequestKind::AgentReady(_) => Some(CodedAction::Ready),
        RequestKind::ForceAgentState(_, state) => Some(match state {
            ForcedState::LoggedOut => CodedAction::Logout,
            ForcedState::NotReady => CodedAction::NotReady,
            ForcedState::Ready => CodedAction::Ready,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::{Dn, ReferenceId, TenantId};

    use super::*;

    fn reasons() -> ActionReasons {
        let mut reasons = ActionReasons::default();
        for (code, name) in [("1", "Lunch"), ("2", "Training")] {
            reasons.put(ActionCode { code: code.to_owned(), name: name.to_owned(), ..ActionCode::default() });
        }
        reasons
    }

    /// The same, with finer reasons for training and one reason for a logout.
    fn more_reasons() -> ActionReasons {
        let mut reasons = reasons();
        let finer = |code: &str, name: &str| Subcode { code: code.to_owned(), name: name.to_owned() };
        let of = |code: &str, name: &str, action, subcodes| ActionCode {
            code: code.to_owned(),
            name: name.to_owned(),
            order: None,
            action,
            subcodes,
        };
        reasons.put(of("2", "Training", CodedAction::NotReady, vec![finer("a", "Product"), finer("b", "Language")]));
        reasons.put(of("9", "End of the shift", CodedAction::Logout, Vec::new()));
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
        completed_by(&reasons(), kind, given, is_strict)
    }

    fn completed_by(known: &ActionReasons, kind: RequestKind, given: UserData, is_strict: bool) -> Option<UserData> {
        let mut request = Request {
            tenant: TenantId::parse("acme").unwrap(),
            requester: "desk".to_owned(),
            reference: ReferenceId(1),
            this_dn: Dn::parse("7101").unwrap(),
            kind,
            reasons: given,
            extensions: UserData::new(),
        };
        known.complete(&mut request, is_strict).ok().map(|()| request.reasons)
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

    #[test]
    fn a_reason_is_one_for_its_action_alone() {
        let known = more_reasons();
        let of = |kind, code: &str| completed_by(&known, kind, [(CODE, code)].into_iter().collect(), true);
        let end: UserData = [(CODE, "9"), (NAME, "End of the shift")].into_iter().collect();
        assert_eq!(of(RequestKind::AgentLogout, "9"), Some(end.clone()));
        let forced = RequestKind::ForceAgentState(Dn::parse("7102").unwrap(), ForcedState::LoggedOut);
        assert_eq!(of(forced, "END OF THE SHIFT"), Some(end));
        assert_eq!(of(RequestKind::AgentLogout, "1"), None, "Lunch is no reason for a logout");
        assert_eq!(of(PAUSE, "9"), None, "the end of the shift is no pause");
        let dentist: UserData = [(CODE, "Dentist")].into_iter().collect();
        let ready = of(RequestKind::AgentReady(WorkMode::ManualIn), "Dentist");
        assert_eq!(ready, Some(dentist), "the tenant has no reasons for that");
    }

    #[test]
    fn a_finer_reason_is_one_of_its_reason() {
        let known = more_reasons();
        let of = |pairs: &[(&str, &str)], is_strict| {
            completed_by(&known, PAUSE, pairs.iter().copied().collect::<UserData>(), is_strict)
        };
        let whole: UserData =
            [(CODE, "2"), (SUB_CODE, "b"), (NAME, "Training"), (SUB_NAME, "Language")].into_iter().collect();
        for word in ["b", "LANGUAGE"] {
            assert_eq!(of(&[(CODE, "2"), (SUB_CODE, word)], true), Some(whole.clone()), "{word}");
        }
        assert_eq!(of(&[(CODE, "1"), (SUB_CODE, "b")], true), None, "it is one of training");
        let other: UserData = [(CODE, "1"), (SUB_CODE, "b"), (NAME, "Lunch")].into_iter().collect();
        assert_eq!(of(&[(CODE, "1"), (SUB_CODE, "b"), (SUB_NAME, "Language")], false), Some(other));
    }
}
