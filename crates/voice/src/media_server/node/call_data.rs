//! INFOs that name a prompt by the call's data wait for that data; only those of the same leg wait.

use std::collections::{HashMap, VecDeque};

use model::{ConnId, TenantId, Timestamp};
use sip::agent::{DialogId, IncomingId, Reply};
use sip::{Message, StatusCode};

use super::faults::Doing;
use super::{Node, note};
use crate::media_server::limits::BODY_BYTES_MAX;

/// The most INFOs of one leg that wait for an answer.
const HELD_MAX: usize = 16;
/// The longest value that becomes part of a name.
const VALUE_MAX: usize = 32;
/// The prefix of a prompt's URI.
const PROMPT: &[u8] = b"prompt:";

/// The data of a call, by lower-case key.
pub type CallData = HashMap<String, String>;

/// A query about a leg's call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The leg.
    pub dialog: DialogId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its call.
    pub conn_id: ConnId,
}

/// The open queries, each with its waiting INFOs.
#[derive(Debug, Default)]
pub struct Questions {
    held: HashMap<DialogId, VecDeque<(IncomingId, Message)>>,
    open: VecDeque<Question>,
}

impl Questions {
    /// The leg has ended, and with it its requester.
    pub fn forget(&mut self, dialog: DialogId) {
        self.held.remove(&dialog);
    }
}

impl Node {
    /// Handles an INFO from the owner. If it has a name to complete, it waits for the call's data, together with all later ones.
    pub(super) fn info(&mut self, dialog: DialogId, request: IncomingId, message: &Message, now: Timestamp) {
        if let Some(held) = self.questions.held.get_mut(&dialog) {
            if held.len() < HELD_MAX {
                return held.push_back((request, message.clone()));
            }
            let busy = Reply::new(StatusCode::SERVICE_UNAVAILABLE);
            return note("a refusal", self.agent.respond(request, busy, now));
        }
        let body = message.body();
        if body.len() <= BODY_BYTES_MAX
            && asks(body)
            && let Some(question) = self.question(dialog)
        {
            self.questions.held.insert(dialog, VecDeque::from([(request, message.clone())]));
            self.questions.open.push_back(question);
            return;
        }
        self.carry_out(dialog, request, (message, body), now);
    }

    fn question(&self, dialog: DialogId) -> Option<Question> {
        let leg = self.legs.get(&dialog)?;
        let conn_id = leg.call()?;
        Some(Question { dialog, tenant: leg.tenant.clone(), conn_id })
    }

    /// The next query for the shell.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.questions.open.pop_front()
    }

    /// Handles the answer to a query: the waiting INFOs continue in order.
    pub fn call_data_came(&mut self, dialog: DialogId, data: &CallData, now: Timestamp) {
        let Some(held) = self.questions.held.remove(&dialog) else { return };
        self.attempt(Doing::CallData, now, |node| {
            node.set_current(dialog);
            node.go_on_with_held(dialog, held, data, now);
            node.settle(now);
        });
    }

    fn go_on_with_held(
        &mut self,
        dialog: DialogId,
        mut held: VecDeque<(IncomingId, Message)>,
        data: &CallData,
        now: Timestamp,
    ) {
        if let Some((request, message)) = held.pop_front() {
            let body = complete(message.body(), data);
            self.carry_out(dialog, request, (&message, &body), now);
        }
        for (request, message) in held {
            self.info(dialog, request, &message, now);
        }
    }
}

/// Whether a request contains a prompt name with call data.
fn asks(body: &[u8]) -> bool {
    names(body).any(|(from, to)| body.get(from..to).is_some_and(|name| name.contains(&b'{')))
}

/// The request with its prompt names completed. A key without a usable value gets its default. Without a default the name stays as it is,
/// and no prompt has such a name.
fn complete(body: &[u8], data: &CallData) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut copied = 0;
    for (from, to) in names(body) {
        out.extend_from_slice(body.get(copied..from).unwrap_or_default());
        complete_name(body.get(from..to).unwrap_or_default(), data, &mut out);
        copied = to;
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    out
}

fn complete_name(name: &[u8], data: &CallData, out: &mut Vec<u8>) {
    let mut rest = name;
    while let Some(open) = rest.iter().position(|byte| *byte == b'{') {
        let (before, from) = rest.split_at(open);
        out.extend_from_slice(before);
        let Some(close) = from.iter().position(|byte| *byte == b'}') else {
            rest = from;
            break;
        };
        let (place, after) = from.split_at(close + 1);
        let inner = String::from_utf8_lossy(place.get(1..close).unwrap_or_default());
        let (key, default) = match inner.split_once('|') {
            Some((key, default)) => (key, Some(default)),
            None => (&*inner, None),
        };
        let known = data.get(&key.trim().to_ascii_lowercase()).map(String::as_str).filter(|value| fits(value));
        match known.or(default.filter(|default| fits(default))) {
            Some(value) => out.extend_from_slice(value.as_bytes()),
            None => out.extend_from_slice(place),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

fn fits(value: &str) -> bool {
    (1..=VALUE_MAX).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The positions of prompt names: from after `prompt:` to the end of the attribute.
fn names(body: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = body.get(at..)?.windows(PROMPT.len()).position(|window| window == PROMPT)?;
        let from = at + found + PROMPT.len();
        let length = body.get(from..)?.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'<'));
        let to = length.map_or(body.len(), |length| from + length);
        at = to;
        Some((from, to))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::media_server::call_data::read;

    fn completed(body: &str, data: &Json) -> String {
        String::from_utf8(complete(body.as_bytes(), &read(data))).unwrap()
    }

    #[test]
    fn names_are_completed_by_the_calls_data_and_nothing_else_is_touched() {
        let data =
            json!({ "Application": "sales", "UserData": { "Language": "de", "Level": 3, "application": "own" } });
        let body = r#"<audio uri="prompt:hello-{LANGUAGE}-{Level}"/><audio uri='prompt:{Application}'/>{Language}"#;
        let wanted = r#"<audio uri="prompt:hello-de-3"/><audio uri='prompt:own'/>{Language}"#;
        assert_eq!(completed(body, &data), wanted);
        assert!(asks(body.as_bytes()));
        assert!(!asks(br#"<audio uri="prompt:menu"/>{x}"#));
    }

    #[test]
    fn what_may_not_stand_in_a_name_gives_way_to_the_default_or_leaves_the_name_as_it_is() {
        let data = json!({ "UserData": { "A": "../../etc", "B": "x\"/><evil", "C": "" } });
        assert_eq!(completed(r#""prompt:a-{A|en}""#, &data), r#""prompt:a-en""#);
        assert_eq!(completed(r#""prompt:b-{B}-{C}-{D}""#, &data), r#""prompt:b-{B}-{C}-{D}""#);
        assert_eq!(completed(r#""prompt:e-{A|<bad>}""#, &data), r#""prompt:e-{A|<bad>}""#);
        assert_eq!(completed(r#""prompt:open-{A"#, &data), r#""prompt:open-{A"#);
    }
}
