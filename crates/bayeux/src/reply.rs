//! What the server writes: replies to messages, advice, and the body of an answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::channel::ChannelName;
use crate::client_id::ClientId;

/// The type of connections that is served always.
pub(crate) const LONG_POLLING: &str = "long-polling";
/// That of sockets (RFC 6455): each text in one is a batch, or the answer to one.
pub(crate) const WEB_SOCKET: &str = "websocket";
/// The version of the protocol.
pub(crate) const VERSION: &str = "1.0";

/// What a client is advised to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reconnect {
    /// Connect again with its id.
    Retry,
    /// Shake hands anew.
    Handshake,
    /// Nothing: it has ended.
    None,
}

impl Reconnect {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Handshake => "handshake",
            Self::None => "none",
        }
    }

    /// The advice alone.
    pub(crate) fn advice(self) -> Value {
        json!({ "reconnect": self.as_str() })
    }

    /// The advice, with how long to wait before a connect and for how long the server holds one back.
    pub(crate) fn advice_with(self, interval: Duration, timeout: Duration) -> Value {
        json!({ "reconnect": self.as_str(), "interval": millis(interval), "timeout": millis(timeout) })
    }
}

/// The reply to a message, member by member.
pub(crate) struct MessageReply(Map<String, Value>);

impl MessageReply {
    /// A reply to a message on a channel, with its id.
    pub(crate) fn to(channel: &str, id: Option<&Value>) -> Self {
        let mut members = Map::new();
        if let Some(id) = id {
            members.insert("id".to_owned(), id.clone());
        }
        members.insert("channel".to_owned(), channel.into());
        Self(members)
    }

    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.insert(member.to_owned(), value.into());
        self
    }

    pub(crate) fn succeeded(self) -> Self {
        self.with("successful", true)
    }

    /// `error` as `<code>:<arguments>:<text>`.
    pub(crate) fn refused(self, error: &str) -> Self {
        self.with("successful", false).with("error", error)
    }

    /// Refused, because nobody knows the client.
    pub(crate) fn unknown(self, reconnect: Reconnect) -> Self {
        self.refused("402::Unknown client").with("advice", reconnect.advice())
    }

    pub(crate) fn of(self, client: &ClientId) -> Self {
        self.with("clientId", client.as_str())
    }

    pub(crate) fn write(self) -> String {
        Value::Object(self.0).to_string()
    }
}

/// A message to clients, as it stands in every answer.
pub(crate) fn publication(channel: &ChannelName, data: &Value) -> Arc<str> {
    // A channel has no character that JSON would escape.
    format!("{{\"channel\":\"{channel}\",\"data\":{data}}}").into()
}

/// The body of an answer.
pub(crate) fn body<'a>(messages: impl Iterator<Item = &'a str>) -> String {
    let mut body = String::from("[");
    for message in messages {
        if body.len() > 1 {
            body.push(',');
        }
        body.push_str(message);
    }
    body.push(']');
    body
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_repeats_id_and_channel() {
        let client = ClientId::parse("abc").unwrap();
        let reply = MessageReply::to("/meta/connect", Some(&json!(7))).of(&client).succeeded().write();
        assert_eq!(reply, r#"{"id":7,"channel":"/meta/connect","clientId":"abc","successful":true}"#);
        let advice = Reconnect::Retry.advice_with(Duration::from_millis(5), Duration::MAX);
        assert_eq!(advice, json!({ "reconnect": "retry", "interval": 5, "timeout": u64::MAX }));
        let reply = MessageReply::to("/meta/connect", None).unknown(Reconnect::Handshake).write();
        let expected = r#"{"channel":"/meta/connect","successful":false,"error":"402::Unknown client","advice":{"reconnect":"handshake"}}"#;
        assert_eq!(reply, expected);
    }

    #[test]
    fn a_body_is_an_array_of_what_was_written() {
        let channel = ChannelName::parse("/a/71%2301").unwrap();
        let data = json!({ "text": "\"ä\"\n", "n": null });
        let event = publication(&channel, &data);
        let written = body([&*event, &*event].into_iter());
        let read: Value = serde_json::from_str(&written).unwrap();
        let message = json!({ "channel": "/a/71%2301", "data": data });
        assert_eq!(read, json!([message, message]));
        assert_eq!(body(std::iter::empty()), "[]");
    }
}
