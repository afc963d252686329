//! What the clients of a desk know of its DN: the published objects as they were told, and what each message makes of them.

use serde_json::{Value, json};

/// The most calls of a DN that are known: far more than any phone has lines.
const CALLS_MAX: usize = 64;
/// What a call may still be asked for after its release, until it is completed.
const RELEASED_CAPABILITIES: [&str; 3] = ["complete", "attach-user-data", "update-user-data"];
/// Fields that grow by themselves: a difference in them alone is none.
const CLOCKS: [&str; 3] = ["duration", "timestamp", STATE_SINCE];

/// Since when a call is in its state; beyond the published fields.
const STATE_SINCE: &str = "stateSince";

/// The field of a released call that was never answered; beyond the published ones.
const WAS_ANSWERED: &str = "wasAnswered";

/// What becomes of a released call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Completion {
    /// It goes.
    Automatic,
    /// It stays until the agent completes it.
    ByAgent,
}

/// The DN and its calls.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct VoicePicture {
    /// The DN, as `DnState` is published.
    pub dn: Option<Value>,
    /// The calls, as `CallState` is published, the oldest first.
    pub calls: Vec<Value>,
}

/// A change of a picture.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum PictureChange {
    /// The DN is like this.
    Dn(Value),
    /// A call is like this.
    Call(Value),
    /// The agent has completed a call.
    Completed(String),
}

/// A change and how the clients are told of it; not at all without a notification.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PictureDifference {
    /// The change.
    pub change: PictureChange,
    /// `notificationType` of a call's; any text for the DN's.
    pub notification: Option<&'static str>,
}

/// A text of an object.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The id of a call.
pub(super) fn call_id(call: &Value) -> &str {
    text(call, "id")
}

/// Whether a call is released.
pub(super) fn is_released(call: &Value) -> bool {
    matches!(text(call, "state"), "Released" | "Completed")
}

/// Whether an agent is logged in on a DN.
pub(super) fn is_logged_in(dn: &Value) -> bool {
    matches!(text(dn, "agentState"), "LoggedIn" | "Ready" | "NotReady" | "OutOfService")
        && !text(dn, "agentId").is_empty()
}

impl VoicePicture {
    /// The call of that id.
    pub fn call(&self, id: &str) -> Option<&Value> {
        self.calls.iter().find(|call| call_id(call).eq_ignore_ascii_case(id))
    }

    /// Whether that call is one of these, or has come of one that goes on.
    pub fn goes_on_as(&self, now: &Value) -> bool {
        let comes_of = |call: &Value| continues(now, call) || text(now, "parentConnId") == call_id(call);
        self.calls.iter().any(|call| call_id(now) == call_id(call) || !is_released(call) && comes_of(call))
    }

    /// Takes a change.
    pub fn apply(&mut self, change: &PictureChange, completion: Completion) {
        match change {
            PictureChange::Dn(dn) => self.dn = Some(dn.clone()),
            PictureChange::Completed(id) => self.calls.retain(|call| call_id(call) != id),
            PictureChange::Call(call) => self.put(call, completion),
        }
    }

    fn put(&mut self, call: &Value, completion: Completion) {
        if let Some(before) = replaced(call) {
            self.calls.retain(|other| call_id(other) != before);
        }
        let stays = !is_released(call) || (completion == Completion::ByAgent && text(call, "state") == "Released");
        let known = self.calls.iter().position(|other| call_id(other) == call_id(call));
        match (known, stays) {
            (Some(at), true) => self.calls[at] = kept(&self.calls[at], call),
            (Some(at), false) => drop(self.calls.remove(at)),
            // A call whose beginning was never told is not kept for its end.
            (None, false) => {}
            (None, true) => {
                if self.calls.len() >= CALLS_MAX {
                    let Some(oldest) = self.calls.iter().position(is_released) else { return };
                    self.calls.remove(oldest);
                }
                self.calls.push(call.clone());
            }
        }
    }

    /// What has to be told so that who knows this picture knows that one.
    pub fn differences(&self, dn: &Value, calls: &[Value]) -> Vec<PictureDifference> {
        let mut found = Vec::new();
        let dn_differs = self.dn.as_ref().is_none_or(|known| !is_same(known, dn));
        let notification = dn_differs.then_some("StateChange");
        found.push(PictureDifference { change: PictureChange::Dn(dn.clone()), notification });
        for call in &self.calls {
            if !is_released(call) && !calls.iter().any(|now| continues(now, call)) {
                let change = PictureChange::Call(released(call));
                found.push(PictureDifference { change, notification: Some("StateChange") });
            }
        }
        for call in calls {
            let known = self.calls.iter().find(|known| call_id(known) == call_id(call));
            let notification = match known {
                None => (!is_released(call)).then_some("CallRecovered"),
                Some(known) => difference(known, call),
            };
            found.push(PictureDifference { change: PictureChange::Call(call.clone()), notification });
        }
        found
    }
}

/// The id that a call had before a transfer or a conference. A consultation names the call that it is about, which goes on.
fn replaced(call: &Value) -> Option<&str> {
    let before = Some(text(call, "previousConnId")).filter(|before| !before.is_empty() && *before != call_id(call))?;
    (text(call, "callType") != "Consult" && text(call, "parentConnId") != before).then_some(before)
}

fn continues(now: &Value, call: &Value) -> bool {
    call_id(now) == call_id(call) || replaced(now) == Some(call_id(call))
}

/// Whether two objects are the same but for fields that grow by themselves.
fn is_same(one: &Value, other: &Value) -> bool {
    let (Value::Object(one), Value::Object(other)) = (one, other) else { return one == other };
    let counts = |key: &&String| !CLOCKS.contains(&key.as_str());
    one.keys().filter(counts).all(|key| one.get(key) == other.get(key))
        && other.keys().filter(counts).all(|key| one.contains_key(key))
}

/// The call as it is kept. Whoever reads the session when it is over does not see what it was before: that nobody has talked is noted.
fn kept(known: &Value, call: &Value) -> Value {
    let mut call = call.clone();
    if let Value::Object(fields) = &mut call
        && matches!(text(known, "state"), "Ringing" | "Dialing")
        && fields.get("state").is_some_and(|state| state == "Released")
    {
        fields.insert(WAS_ANSWERED.to_owned(), json!(false));
    }
    call
}

/// What is different of a call, by its notification.
fn difference(known: &Value, now: &Value) -> Option<&'static str> {
    let fields = [
        ("state", "StateChange"),
        ("participants", "ParticipantsUpdated"),
        ("userData", "AttachedDataChanged"),
        ("recordingState", "CallRecordingStateChange"),
    ];
    let field = fields.into_iter().find(|(field, _)| known.get(field) != now.get(field));
    field.map(|(_, notification)| notification).or_else(|| (!is_same(known, now)).then_some("StateChange"))
}

/// A call that is over.
fn released(call: &Value) -> Value {
    let mut call = call.clone();
    if let Value::Object(fields) = &mut call {
        fields.insert("state".to_owned(), json!("Released"));
        // Nobody has told when it was released.
        fields.remove(STATE_SINCE);
    }
    call
}

/// A DN as it is told to an agent who is not there any more: another one is.
pub(super) fn left_dn(dn: &Value) -> Value {
    let mut left = json!({"number": text(dn, "number"), "agentState": "LoggedOut", "agentWorkMode": "Unknown"});
    if let (Some(switch_name), Value::Object(fields)) = (dn.get("switchName"), &mut left) {
        fields.insert("switchName".to_owned(), switch_name.clone());
        fields.insert("capabilities".to_owned(), json!([]));
    }
    left
}

/// The call as clients are told of it: what may still be asked of a released one depends on who completes it.
pub(super) fn told_call(mut call: Value, completion: Completion) -> Value {
    if !is_released(&call) {
        return call;
    }
    let capabilities = match completion {
        Completion::ByAgent if text(&call, "state") == "Released" => json!(RELEASED_CAPABILITIES),
        _ => json!([]),
    };
    if let Value::Object(fields) = &mut call {
        fields.insert("capabilities".to_owned(), capabilities);
    }
    call
}

/// The call after its completion, with the pairs that the agent gave for it.
pub(super) fn completed(call: &Value, pairs: &[Value]) -> Value {
    let mut call = with_pairs(call, pairs);
    if let Value::Object(fields) = &mut call {
        fields.insert("state".to_owned(), json!("Completed"));
        fields.insert("capabilities".to_owned(), json!([]));
    }
    call
}

/// The call with further pairs, each in the place of those of its key.
pub(super) fn with_pairs(call: &Value, pairs: &[Value]) -> Value {
    let mut call = call.clone();
    if let Value::Object(fields) = &mut call
        && !pairs.is_empty()
    {
        let known = fields.get("userData").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_kept = |pair: &Value| !pairs.iter().any(|new| text(new, "key") == text(pair, "key"));
        let all: Vec<Value> = known.into_iter().filter(is_kept).chain(pairs.iter().cloned()).collect();
        fields.insert("userData".to_owned(), Value::Array(all));
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, state: &str) -> Value {
        json!({"id": id, "state": state, "callType": "Inbound", "participants": [], "duration": 3})
    }

    fn picture(calls: &[Value]) -> VoicePicture {
        VoicePicture { dn: Some(json!({"number": "7101", "timestamp": 1})), calls: calls.to_vec() }
    }

    fn told(picture: &VoicePicture, calls: &[Value]) -> Vec<(String, String)> {
        let differences = picture.differences(&json!({"number": "7101", "timestamp": 2}), calls);
        let of_call = |difference: PictureDifference| match (difference.change, difference.notification) {
            (PictureChange::Call(call), Some(told)) => {
                Some((format!("{} {}", call_id(&call), text(&call, "state")), told.to_owned()))
            }
            _ => None,
        };
        differences.into_iter().filter_map(of_call).collect()
    }

    #[test]
    fn after_a_gap_a_new_call_is_recovered_and_a_gone_one_released() {
        let before = picture(&[call("1", "Established"), call("2", "Held")]);
        let now = [call("2", "Established"), call("3", "Ringing")];
        let wanted = [("1 Released", "StateChange"), ("2 Established", "StateChange"), ("3 Ringing", "CallRecovered")];
        let wanted: Vec<(String, String)> = wanted.map(|(call, told)| (call.to_owned(), told.to_owned())).to_vec();
        assert_eq!(told(&before, &now), wanted);
    }

    #[test]
    fn what_only_grows_is_no_difference_and_what_else_changes_is_told_by_its_name() {
        let before = picture(&[call("1", "Established")]);
        let with = |field: &str, value: Value| {
            let mut call = call("1", "Established");
            call[field] = value;
            told(&before, &[call]).pop().map(|(_, told)| told)
        };
        assert_eq!(with("duration", json!(9)), None);
        assert_eq!(with("stateSince", json!("2031-05-09T14:00:00.000Z")), None);
        assert_eq!(with("participants", json!([1])).as_deref(), Some("ParticipantsUpdated"));
        assert_eq!(with("userData", json!([1])).as_deref(), Some("AttachedDataChanged"));
        assert_eq!(with("recordingState", json!("Paused")).as_deref(), Some("CallRecordingStateChange"));
        assert_eq!(with("capabilities", json!(["hold"])).as_deref(), Some("StateChange"));
        assert_eq!(
            before.differences(&json!({"number": "7101", "timestamp": 2}), &[]).first().map(|d| d.notification),
            Some(None)
        );
    }

    #[test]
    fn who_knows_the_differences_knows_the_picture() {
        let (mut known, dn) = (picture(&[call("1", "Established"), call("2", "Held")]), json!({"number": "7101"}));
        let calls = [call("2", "Held"), call("3", "Ringing")];
        for difference in known.clone().differences(&dn, &calls) {
            known.apply(&difference.change, Completion::Automatic);
        }
        assert_eq!(known, VoicePicture { dn: Some(dn), calls: calls.to_vec() });
    }

    #[test]
    fn a_released_call_goes_unless_the_agent_completes_it() {
        let mut automatic = picture(&[call("1", "Established")]);
        automatic.apply(&PictureChange::Call(call("1", "Released")), Completion::Automatic);
        assert_eq!(automatic.calls, Vec::<Value>::new());
        let mut by_agent = picture(&[call("1", "Established")]);
        by_agent.apply(&PictureChange::Call(call("1", "Released")), Completion::ByAgent);
        assert_eq!(by_agent.calls.len(), 1);
        by_agent.apply(&PictureChange::Completed("1".to_owned()), Completion::ByAgent);
        assert_eq!(by_agent.calls, Vec::<Value>::new());
    }

    #[test]
    fn a_released_call_that_nobody_has_answered_says_so_and_no_other_one_does() {
        for (before, wanted) in [("Ringing", false), ("Dialing", false), ("Established", true), ("Held", true)] {
            let mut known = picture(&[call("1", before)]);
            known.apply(&PictureChange::Call(call("1", "Released")), Completion::ByAgent);
            let noted = with_pairs(&known.calls[0], &[json!({"key": "a", "type": "str", "value": "9"})]);
            known.apply(&PictureChange::Call(noted), Completion::ByAgent);
            assert_eq!(known.calls[0].get(WAS_ANSWERED), (!wanted).then_some(&json!(false)), "{before}");
        }
        let mut rings_again = picture(&[call("1", "Released")]);
        rings_again.apply(&PictureChange::Call(call("1", "Ringing")), Completion::ByAgent);
        assert_eq!(rings_again.calls[0].get(WAS_ANSWERED), None);
    }

    #[test]
    fn a_call_takes_the_place_of_the_one_that_it_was_and_a_consultation_does_not() {
        let mut known = picture(&[call("1", "Established")]);
        let mut consultation = call("2", "Dialing");
        consultation["callType"] = json!("Consult");
        consultation["previousConnId"] = json!("1");
        known.apply(&PictureChange::Call(consultation), Completion::Automatic);
        assert_eq!(known.calls.len(), 2);
        let mut moved = call("3", "Established");
        moved["previousConnId"] = json!("2");
        known.apply(&PictureChange::Call(moved), Completion::Automatic);
        assert_eq!(known.calls.iter().map(call_id).collect::<Vec<_>>(), ["1", "3"]);
    }

    #[test]
    fn calls_are_bounded_and_the_oldest_released_one_goes_first() {
        let mut known = picture(&[call("done", "Released")]);
        for at in 0..CALLS_MAX + 5 {
            known.apply(&PictureChange::Call(call(&at.to_string(), "Established")), Completion::ByAgent);
        }
        assert_eq!(known.calls.len(), CALLS_MAX);
        assert!(known.call("done").is_none() && known.call("0").is_some());
    }

    #[test]
    fn pairs_of_a_completion_replace_those_of_their_key() {
        let mut call = call("1", "Released");
        call["userData"] =
            json!([{"key": "a", "type": "str", "value": "1"}, {"key": "b", "type": "str", "value": "2"}]);
        let done = completed(&call, &[json!({"key": "a", "type": "str", "value": "9"})]);
        assert_eq!(text(&done, "state"), "Completed");
        assert_eq!(done["userData"][1]["value"], "9");
        assert_eq!(done["userData"][0]["key"], "b");
    }
}
