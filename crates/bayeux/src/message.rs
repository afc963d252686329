//! What clients send: a batch of messages, read from JSON.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::client_id::ClientId;
use crate::limits::{BATCH_BYTES_MAX, CHANNEL_BYTES_MAX, EXT_BYTES_MAX, ID_BYTES_MAX, MESSAGES_MAX, PATTERNS_MAX};
use crate::reply::{LONG_POLLING, WEB_SOCKET};

/// What a client sends at once: the body of one request, or one text of a socket.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageBatch {
    pub(crate) client: Option<ClientId>,
    pub(crate) messages: Vec<ClientMessage>,
}

/// One message of a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClientMessage {
    /// Text or number, as the reply repeats it.
    pub(crate) id: Option<Value>,
    pub(crate) ext: Option<Value>,
    pub(crate) wish: ClientWish,
}

/// What a message wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientWish {
    Handshake {
        /// Whether the client can poll; a client that lists no types can.
        polls: bool,
        /// Whether it lists sockets.
        has_sockets: bool,
        /// Whether it numbers what it has received (the ack extension).
        acknowledges: bool,
    },
    Connect {
        /// For how long it wants to wait; none: as the server likes.
        timeout: Option<Duration>,
        /// The number of the last answer that it has received.
        acknowledged: Option<u64>,
    },
    Disconnect,
    Subscribe(NamedPatterns),
    Unsubscribe(NamedPatterns),
    /// Something on a channel of the protocol that nobody knows.
    Unknown(String),
    /// Something for other clients.
    Publish(String),
}

/// The patterns of a message, as the client has written them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedPatterns {
    /// A text or a list of texts, as the reply repeats it.
    pub(crate) written: Value,
    pub(crate) texts: Vec<String>,
}

/// Why a batch is refused as a whole: nobody gets an answer to it in Bayeux.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFault {
    /// It is too large.
    #[error("the batch is larger than 256 KiB")]
    TooLarge,
    /// It is not JSON, or neither a list nor an object.
    #[error("the batch is not a JSON array of messages")]
    NoMessages,
    /// It has none, or too many.
    #[error("the batch has {0} messages, it must have 1 to 64")]
    Count(usize),
    /// A member of a message breaks a rule.
    #[error("{field}: {rule}")]
    Field {
        /// The member, as `[3].channel`.
        field: String,
        /// The rule.
        rule: &'static str,
    },
}

/// A member that breaks a rule, before it is known which message it is in.
type Wrong = (&'static str, &'static str);

impl MessageBatch {
    /// Reads the body of a request, or a text of a socket: an array of messages; one message alone counts as an array of one.
    ///
    /// # Errors
    /// What is wrong with it; the member and the rule.
    pub fn read(body: &[u8]) -> Result<Self, BatchFault> {
        if body.len() > BATCH_BYTES_MAX {
            return Err(BatchFault::TooLarge);
        }
        let documents = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Array(documents)) => documents,
            Ok(document @ Value::Object(_)) => vec![document],
            Ok(_) | Err(_) => return Err(BatchFault::NoMessages),
        };
        if !(1..=MESSAGES_MAX).contains(&documents.len()) {
            return Err(BatchFault::Count(documents.len()));
        }
        let mut batch = Self { client: None, messages: Vec::with_capacity(documents.len()) };
        for (at, document) in documents.iter().enumerate() {
            batch
                .add(document)
                .map_err(|(member, rule)| BatchFault::Field { field: format!("[{at}]{member}"), rule })?;
        }
        Ok(batch)
    }

    /// The client that the messages name; nothing before a handshake.
    pub fn client(&self) -> Option<&ClientId> {
        self.client.as_ref()
    }

    /// Whether a handshake is among the messages.
    pub fn has_handshake(&self) -> bool {
        self.messages.iter().any(|message| matches!(message.wish, ClientWish::Handshake { .. }))
    }

    fn add(&mut self, document: &Value) -> Result<(), Wrong> {
        let members = document.as_object().ok_or(("", "it must be an object"))?;
        let channel = members.get("channel").and_then(Value::as_str).ok_or((".channel", "it must be a text"))?;
        if channel.len() > CHANNEL_BYTES_MAX {
            return Err((".channel", "it must have at most 200 bytes"));
        }
        let message = ClientMessage { id: id(members)?, ext: ext(members)?, wish: wish(channel, members)? };
        // Some clients repeat their last id when they shake hands anew.
        let named = match message.wish {
            ClientWish::Handshake { .. } => None,
            _ => client(members)?,
        };
        if let Some(named) = named
            && *self.client.get_or_insert_with(|| named.clone()) != named
        {
            return Err((".clientId", "all messages of a batch must be of one client"));
        }
        self.messages.push(message);
        Ok(())
    }
}

fn id(members: &Map<String, Value>) -> Result<Option<Value>, Wrong> {
    match members.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > ID_BYTES_MAX => Err((".id", "it must have at most 100 bytes")),
        Some(id @ (Value::String(_) | Value::Number(_))) => Ok(Some(id.clone())),
        Some(_) => Err((".id", "it must be a text or a number")),
    }
}

fn client(members: &Map<String, Value>) -> Result<Option<ClientId>, Wrong> {
    let rule = (".clientId", "it must be a text of 1 to 100 visible ASCII characters");
    match members.get("clientId") {
        None | Some(Value::Null) => Ok(None),
        Some(id) => id.as_str().and_then(ClientId::parse).map(Some).ok_or(rule),
    }
}

fn ext(members: &Map<String, Value>) -> Result<Option<Value>, Wrong> {
    match members.get("ext") {
        None | Some(Value::Null) => Ok(None),
        Some(ext) if ext.to_string().len() > EXT_BYTES_MAX => Err((".ext", "it must have at most 4 KiB")),
        Some(ext) => Ok(Some(ext.clone())),
    }
}

fn wish(channel: &str, members: &Map<String, Value>) -> Result<ClientWish, Wrong> {
    let ack = members.get("ext").and_then(|ext| ext.get("ack"));
    Ok(match channel {
        "/meta/handshake" => {
            let types = members.get("supportedConnectionTypes").and_then(Value::as_array);
            let lists = |types: &Vec<Value>, name: &str| types.iter().any(|listed| listed == name);
            let polls = types.is_none_or(|types| lists(types, LONG_POLLING));
            let has_sockets = types.is_some_and(|types| lists(types, WEB_SOCKET));
            ClientWish::Handshake { polls, has_sockets, acknowledges: ack.is_some_and(says_yes) }
        }
        "/meta/connect" => {
            let timeout = members.get("advice").and_then(|advice| advice.get("timeout")).and_then(Value::as_u64);
            let acknowledged = ack.and_then(number);
            ClientWish::Connect { timeout: timeout.map(Duration::from_millis), acknowledged }
        }
        "/meta/disconnect" => ClientWish::Disconnect,
        "/meta/subscribe" => ClientWish::Subscribe(patterns(members)?),
        "/meta/unsubscribe" => ClientWish::Unsubscribe(patterns(members)?),
        other if other == "/meta" || other.starts_with("/meta/") => ClientWish::Unknown(other.to_owned()),
        other => ClientWish::Publish(other.to_owned()),
    })
}

/// `true`, or an object with `enabled`.
pub(crate) fn says_yes(ack: &Value) -> bool {
    ack.as_bool().or_else(|| ack.get("enabled")?.as_bool()).unwrap_or(false)
}

/// The number of an answer. Clients begin with -1: nothing received yet.
fn number(ack: &Value) -> Option<u64> {
    ack.as_u64().or_else(|| ack.as_i64().map(|_| 0))
}

fn patterns(members: &Map<String, Value>) -> Result<NamedPatterns, Wrong> {
    let rule = (".subscription", "it must be a text, or 1 to 64 texts, of at most 200 bytes each");
    let written = members.get("subscription").ok_or(rule)?;
    let single = std::slice::from_ref(written);
    let listed = written.as_array().map_or(single, Vec::as_slice);
    if !(1..=PATTERNS_MAX).contains(&listed.len()) {
        return Err(rule);
    }
    let text = |value: &Value| value.as_str().filter(|text| text.len() <= CHANNEL_BYTES_MAX).map(str::to_owned);
    let texts: Option<Vec<String>> = listed.iter().map(text).collect();
    Ok(NamedPatterns { written: written.clone(), texts: texts.ok_or(rule)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Result<MessageBatch, String> {
        MessageBatch::read(document.to_string().as_bytes()).map_err(|fault| fault.to_string())
    }

    fn wish_of(document: &Value) -> ClientWish {
        read(document).unwrap().messages[0].wish.clone()
    }

    #[test]
    fn the_messages_of_the_published_clients_are_read() {
        let batch = read(&json!([{
            "id": "1", "version": "1.0", "minimumVersion": "1.0", "channel": "/meta/handshake",
            "supportedConnectionTypes": ["long-polling", "callback-polling"], "advice": { "timeout": 60000, "interval": 0 }
        }]))
        .unwrap();
        assert!(batch.has_handshake() && batch.client().is_none());
        assert_eq!(batch.messages[0].id, Some(json!("1")));
        let wish = ClientWish::Handshake { polls: true, has_sockets: false, acknowledges: false };
        assert_eq!(batch.messages[0].wish, wish);

        let connect = json!({ "id": 2, "channel": "/meta/connect", "connectionType": "long-polling",
            "advice": { "timeout": 0 }, "clientId": "abc", "ext": { "ack": 7 } });
        let batch = read(&connect).unwrap();
        assert_eq!(batch.client().map(ClientId::as_str), Some("abc"));
        assert_eq!(batch.messages[0].id, Some(json!(2)));
        let wish = ClientWish::Connect { timeout: Some(Duration::ZERO), acknowledged: Some(7) };
        assert_eq!(batch.messages[0].wish, wish);
        assert_eq!(read(&json!([connect])), Ok(batch), "an object alone counts as an array of one");

        let subscribe =
            json!({ "channel": "/meta/subscribe", "subscription": "/a/*", "clientId": "abc", "ext": { "after": "9" } });
        let batch = read(&subscribe).unwrap();
        assert_eq!(batch.messages[0].ext, Some(json!({ "after": "9" })));
        let one = NamedPatterns { written: json!("/a/*"), texts: vec!["/a/*".to_owned()] };
        assert_eq!(batch.messages[0].wish, ClientWish::Subscribe(one));
        let two = NamedPatterns { written: json!(["/a", "/b"]), texts: vec!["/a".to_owned(), "/b".to_owned()] };
        let unsubscribe = json!({ "channel": "/meta/unsubscribe", "subscription": ["/a", "/b"] });
        assert_eq!(wish_of(&unsubscribe), ClientWish::Unsubscribe(two));
        assert_eq!(wish_of(&json!({ "channel": "/meta/x" })), ClientWish::Unknown("/meta/x".to_owned()));
        assert_eq!(wish_of(&json!({ "channel": "/metal" })), ClientWish::Publish("/metal".to_owned()));
    }

    #[test]
    fn the_ack_extension_is_read_in_each_of_its_forms() {
        let handshake = |ext: Value| wish_of(&json!({ "channel": "/meta/handshake", "ext": ext }));
        let with = |acknowledges| ClientWish::Handshake { polls: true, has_sockets: false, acknowledges };
        assert_eq!(handshake(json!({ "ack": true })), with(true));
        assert_eq!(handshake(json!({ "ack": { "enabled": true } })), with(true));
        assert_eq!(handshake(json!({ "ack": { "enabled": false } })), with(false));
        assert_eq!(handshake(json!({ "ack": "yes" })), with(false));
        let connect = |ext: Value| wish_of(&json!({ "channel": "/meta/connect", "ext": ext }));
        let after = |acknowledged| ClientWish::Connect { timeout: None, acknowledged };
        assert_eq!(connect(json!({ "ack": -1 })), after(Some(0)), "nothing received yet");
        assert_eq!(connect(json!({ "ack": "3" })), after(None));
        assert_eq!(connect(json!({})), after(None));
        let sockets = json!({ "channel": "/meta/handshake", "supportedConnectionTypes": ["websocket"] });
        let wish = ClientWish::Handshake { polls: false, has_sockets: true, acknowledges: false };
        assert_eq!(wish_of(&sockets), wish);
    }

    #[test]
    fn faults_name_the_member_and_the_rule() {
        let fault = |document: Value| read(&document).unwrap_err();
        assert_eq!(fault(json!([{ "channel": "/a" }, { "channel": 1 }])), "[1].channel: it must be a text");
        assert_eq!(fault(json!(["/a"])), "[0]: it must be an object");
        let long = "a".repeat(CHANNEL_BYTES_MAX + 1);
        assert_eq!(fault(json!([{ "channel": long }])), "[0].channel: it must have at most 200 bytes");
        let long = "a".repeat(ID_BYTES_MAX + 1);
        assert_eq!(fault(json!([{ "channel": "/a", "id": long }])), "[0].id: it must have at most 100 bytes");
        assert_eq!(fault(json!([{ "channel": "/a", "id": [] }])), "[0].id: it must be a text or a number");
        let rule = "[0].clientId: it must be a text of 1 to 100 visible ASCII characters";
        assert_eq!(fault(json!([{ "channel": "/a", "clientId": long }])), rule);
        assert_eq!(fault(json!([{ "channel": "/a", "clientId": 7 }])), rule);
        let two = json!([{ "channel": "/a", "clientId": "x" }, { "channel": "/a", "clientId": "y" }]);
        assert_eq!(fault(two), "[1].clientId: all messages of a batch must be of one client");
        let ext = json!({ "a": "b".repeat(EXT_BYTES_MAX) });
        assert_eq!(fault(json!([{ "channel": "/a", "ext": ext }])), "[0].ext: it must have at most 4 KiB");
        let rule = "[0].subscription: it must be a text, or 1 to 64 texts, of at most 200 bytes each";
        for wrong in [json!(null), json!([]), json!([1]), json!(vec!["/a"; 65]), json!(format!("/{}", "a".repeat(200)))]
        {
            assert_eq!(fault(json!([{ "channel": "/meta/subscribe", "subscription": wrong }])), rule);
        }
    }

    #[test]
    fn a_batch_has_1_to_64_messages_in_at_most_256_kib() {
        let of = |count: usize| {
            read(&Value::from(vec![json!({ "channel": "/a" }); count])).map(|batch| batch.messages.len())
        };
        assert_eq!(of(64), Ok(64));
        assert_eq!(of(65), Err("the batch has 65 messages, it must have 1 to 64".to_owned()));
        assert_eq!(of(0), Err("the batch has 0 messages, it must have 1 to 64".to_owned()));
        let spaces = |bytes: usize| {
            let mut body = r#"[{"channel":"/a"}]"#.to_owned();
            body.extend(std::iter::repeat_n(' ', bytes - body.len()));
            MessageBatch::read(body.as_bytes()).map(|_| ())
        };
        assert_eq!(spaces(BATCH_BYTES_MAX), Ok(()));
        assert_eq!(spaces(BATCH_BYTES_MAX + 1), Err(BatchFault::TooLarge));
        for wrong in [&b""[..], b"7", b"[", b"\xff", "[".repeat(5_000).as_bytes()] {
            assert_eq!(MessageBatch::read(wrong), Err(BatchFault::NoMessages));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = MessageBatch::read(&body);
        }
    }
}
