//! What of a desk outlives its process. The user and the configuration are asked for again.

use bayeux::{ClientId, HubSnapshot};
use model::Timestamp;
use serde_json::Value;

use super::channel::{DnAdmission, ReadingProgress, VoiceChannel};
use super::outputs::{AnswerCode, DeskEnd};
use super::pending::{OperationEffect, PendingOperation};
use super::picture::{Completion, VoicePicture, is_logged_in};

/// The most bytes of calls with all that they have. Those beyond are stored without their data, and the DN's picture is asked for
/// afterwards: a record has 16 KiB.
const CALL_BYTES_MAX: usize = 6 << 10;
/// The most calls that are stored: a phone rarely has more than four. One that is left out is told as recovered.
const CALLS_MAX: usize = 6;
/// The most operations whose ids are stored: the latest.
const OPERATIONS_MAX: usize = 16;
/// The most bytes of a reason for the agent's state; a longer one is left out, and the DN's picture is asked for afterwards.
const REASONS_BYTES_MAX: usize = 1 << 10;
/// What a call is stored without where there is no room.
const LARGE_FIELDS: [&str; 2] = ["userData", "extensions"];

/// A desk as it is stored: plain data. The law: a desk that is restored does with all further inputs what the one before would have
/// done, but that it tells again what not all clients are known to have.
#[derive(Clone, PartialEq, Debug)]
pub struct DeskSnapshot {
    /// The Bayeux clients.
    pub hub: HubSnapshot,
    /// What they know.
    pub listeners: Vec<ListenerSnapshot>,
    /// How far the initialisation is.
    pub phase: DeskPhase,
    /// When it began.
    pub begun: Timestamp,
    /// Whether the desktop reads the configuration part by part.
    pub is_optimised: bool,
    /// The person's agent.
    pub agent: Option<String>,
    /// The voice channel.
    pub channel: Option<ChannelSnapshot>,
    /// Operations that may still have an outcome, the latest, the oldest of them first.
    pub operations: Vec<OperationSnapshot>,
    /// The last reference that a request had.
    pub last_reference: u64,
    /// The last cursor that an event had.
    pub last_cursor: u64,
    /// The logout with which it ends; none while it goes on.
    pub ending: Option<EndingSnapshot>,
}

/// The logout with which a session ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndingSnapshot {
    /// Why it ends.
    pub why: DeskEnd,
    /// Where the agent is logged in.
    pub dn: String,
    /// The agent.
    pub agent: Option<String>,
    /// Since when it is tried.
    pub since: Timestamp,
    /// What is told of the agent before then is not the last word: a login may be under way.
    pub settles_at: Timestamp,
}

/// How far an initialisation is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeskPhase {
    /// Nobody has asked for it.
    New,
    /// The configuration is being read.
    Initialising,
    /// It is done.
    Configured,
    /// It has failed; why.
    Failed(String),
}

/// What a client knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerSnapshot {
    /// The client.
    pub id: ClientId,
    /// Whether it has the outcome of the initialisation.
    pub is_initialised: bool,
    /// Whether it has the state of the voice channel.
    pub knows_voice: bool,
    /// How many messages of the DN it has of those that come again, the first ones.
    pub ahead: u32,
}

/// The voice channel as it is known to be told.
#[derive(Clone, PartialEq, Debug)]
pub struct ChannelSnapshot {
    /// The DN.
    pub dn: String,
    /// Its switch.
    pub switch_name: Option<String>,
    /// The work mode of the logins.
    pub work_mode: Option<String>,
    /// Whether released calls go by themselves.
    pub auto_complete_call: bool,
    /// Whether the agent was seen there.
    pub admission: DnAdmission,
    /// The reference of a login without outcome.
    pub login: Option<u64>,
    /// Whether the session has logged the agent in.
    pub owns_login: bool,
    /// Whether the channel ends with the logout.
    pub is_leaving: bool,
    /// Whom the agent monitors.
    pub monitored: Option<String>,
    /// The DN as it was told.
    pub told_dn: Option<Value>,
    /// The calls as they were told.
    pub told_calls: Vec<Value>,
    /// Whether the DN and the calls are all there, with all that they have.
    pub is_whole: bool,
    /// How far the messages of the DN were told.
    pub progress: ReadingProgress,
}

/// An operation that may still have an outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationSnapshot {
    /// The references of its requests.
    pub references: Vec<u64>,
    /// Its id.
    pub operation_id: String,
    /// What else it does.
    pub effect: StoredEffect,
    /// When it began.
    pub since: Timestamp,
    /// Whether the client was answered that it is taken.
    pub is_accepted: bool,
}

/// What an operation does that the desk does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredEffect {
    /// Nothing.
    Plain,
    /// It logs the agent in, who was not logged in by the session before.
    Login,
    /// It logs the agent in, who was logged in by the session before.
    LoginAgain,
    /// It leaves the DN.
    Leave,
}

/// The calls as they are stored, and whether they are all there with all that they have.
fn stored_calls(calls: &[Value]) -> (Vec<Value>, bool) {
    let mut left = CALL_BYTES_MAX;
    let mut is_whole = calls.len() <= CALLS_MAX;
    let first = calls.len().saturating_sub(CALLS_MAX);
    let stored = calls.iter().skip(first).map(|call| {
        let bytes = call.to_string().len();
        if let Some(fewer) = left.checked_sub(bytes) {
            left = fewer;
            return call.clone();
        }
        is_whole = false;
        let mut short = call.clone();
        if let Value::Object(fields) = &mut short {
            fields.retain(|name, _| !LARGE_FIELDS.contains(&name.as_str()));
        }
        short
    });
    let stored: Vec<Value> = stored.collect();
    (stored, is_whole)
}

/// The DN as it is stored, and whether it has all that it has.
fn stored_dn(dn: &Value) -> (Value, bool) {
    let mut stored = dn.clone();
    let is_whole = dn.get("reasons").is_none_or(|reasons| reasons.to_string().len() <= REASONS_BYTES_MAX);
    if let (Value::Object(fields), false) = (&mut stored, is_whole) {
        fields.remove("reasons");
    }
    (stored, is_whole)
}

impl ChannelSnapshot {
    pub(super) fn of(channel: &VoiceChannel) -> Self {
        let (told_calls, has_calls) = stored_calls(&channel.told.calls);
        let (told_dn, has_reasons) = channel.told.dn.as_ref().map(stored_dn).unzip();
        Self {
            dn: channel.dn.clone(),
            switch_name: channel.switch_name.clone(),
            work_mode: channel.work_mode.clone(),
            auto_complete_call: channel.completion == Completion::Automatic,
            admission: channel.admission,
            login: channel.login,
            owns_login: channel.owns_login,
            is_leaving: channel.is_leaving,
            monitored: channel.monitored.clone(),
            told_dn,
            told_calls,
            is_whole: has_calls && has_reasons != Some(false),
            progress: channel.told_progress.clone(),
        }
    }

    /// The channel, and from where its messages are read.
    pub(super) fn restored(self) -> (VoiceChannel, Option<String>) {
        let completion = if self.auto_complete_call { Completion::Automatic } else { Completion::ByAgent };
        let mut channel = VoiceChannel::new(self.dn, self.switch_name, self.work_mode, completion);
        let told = VoicePicture { dn: self.told_dn, calls: self.told_calls };
        // Without the agent not all was told, so not all is known of what the picture had.
        let is_there = self.admission == DnAdmission::Admitted && told.dn.as_ref().is_some_and(is_logged_in);
        let reads_on = self.is_whole && is_there;
        channel.admission = self.admission;
        channel.login = self.login;
        channel.owns_login = self.owns_login;
        channel.is_leaving = self.is_leaving;
        channel.monitored = self.monitored;
        channel.picture = told.clone();
        channel.told = told;
        channel.told_progress = self.progress.clone();
        channel.progress = self.progress;
        let after = if reads_on { channel.read_again() } else { None };
        channel.is_heard = after.is_some();
        (channel, after)
    }
}

impl OperationSnapshot {
    fn of(operation: &PendingOperation) -> Self {
        let effect = match &operation.effect {
            OperationEffect::Plain | OperationEffect::Complete { .. } | OperationEffect::NoteAfter { .. } => {
                StoredEffect::Plain
            }
            OperationEffect::Login { owned_before: false } => StoredEffect::Login,
            OperationEffect::Login { owned_before: true } => StoredEffect::LoginAgain,
            OperationEffect::Leave => StoredEffect::Leave,
        };
        Self {
            references: operation.references.clone(),
            operation_id: operation.operation_id.clone(),
            effect,
            since: operation.since,
            is_accepted: operation.is_accepted,
        }
    }

    /// The latest of all that may still have an outcome; who waits for an answer waits for it elsewhere no more.
    pub(super) fn of_all<'a>(operations: impl DoubleEndedIterator<Item = &'a PendingOperation>) -> Vec<Self> {
        let mut latest: Vec<Self> = operations.rev().take(OPERATIONS_MAX).map(Self::of).collect();
        latest.reverse();
        latest
    }

    pub(super) fn restored(self) -> PendingOperation {
        let effect = match self.effect {
            StoredEffect::Plain => OperationEffect::Plain,
            StoredEffect::Login => OperationEffect::Login { owned_before: false },
            StoredEffect::LoginAgain => OperationEffect::Login { owned_before: true },
            StoredEffect::Leave => OperationEffect::Leave,
        };
        PendingOperation {
            references: self.references,
            operation_id: self.operation_id,
            effect,
            rest: std::collections::VecDeque::new(),
            reply: None,
            code: AnswerCode::Accepted,
            since: self.since,
            answers_at: None,
            is_taken: false,
            is_accepted: self.is_accepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::picture::call_id;
    use super::*;

    #[test]
    fn a_dn_is_stored_without_reasons_that_are_long() {
        let dn =
            |bytes: usize| json!({"number": "7101", "reasons": [{"key": "ReasonCode", "value": "x".repeat(bytes)}]});
        assert_eq!(stored_dn(&dn(100)), (dn(100), true));
        assert_eq!(stored_dn(&json!({"number": "7101"})), (json!({"number": "7101"}), true));
        assert_eq!(stored_dn(&dn(REASONS_BYTES_MAX)), (json!({"number": "7101"}), false));
    }

    #[test]
    fn calls_that_have_no_room_are_stored_without_their_data() {
        let call = |id: &str, bytes: usize| json!({"id": id, "state": "Held", "userData": [{"key": "a", "value": "x".repeat(bytes)}]});
        let (small, is_whole) = stored_calls(&[call("1", 10)]);
        assert!(is_whole && small == [call("1", 10)]);
        let (mixed, is_whole) = stored_calls(&[call("1", 10), call("2", 60_000)]);
        assert!(!is_whole && mixed[0] == call("1", 10) && mixed[1].get("userData").is_none());
        let many: Vec<Value> = (0..10).map(|at| call(&at.to_string(), 1)).collect();
        let (stored, is_whole) = stored_calls(&many);
        assert!(!is_whole && stored.len() == CALLS_MAX && call_id(&stored[CALLS_MAX - 1]) == "9");
    }
}
