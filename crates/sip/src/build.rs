//! Builders for our own requests and responses.

use std::fmt::Display;

use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;

/// A message under construction. Headers keep the order in which they were added; [`Self::build`] adds Content-Length.
#[derive(Clone, Debug)]
pub struct Builder {
    message: Message,
}

impl Message {
    /// A request without any header.
    pub fn request(method: Method, uri: impl Display) -> Builder {
        Builder { message: Message::new_request(method, uri) }
    }

    /// A response with the headers that RFC 3261 §8.2.6.2 takes from the request: Via, From, To, Call-ID, CSeq,
    /// Timestamp for a 100, and Record-Route for 101 to 299 to a request that can make a dialog (§12.1.1).
    pub fn response_to(request: &Message, status: StatusCode) -> Builder {
        let mut message = Message::new_response(status, status.reason());
        message.copy_for_response(request, status);
        Builder { message }
    }

    /// A response with a status line only.
    pub fn response(status: StatusCode) -> Builder {
        Builder { message: Message::new_response(status, status.reason()) }
    }
}

impl Builder {
    /// Appends a header.
    #[must_use]
    pub fn header(mut self, name: &HeaderName, value: impl Display) -> Self {
        self.message.append(name, value);
        self
    }

    /// Replaces the reason phrase of a response.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.message.set_reason(reason);
        self
    }

    /// Adds a tag to To, if it has none (RFC 3261 §8.2.6.2).
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        self.message.add_to_tag(tag);
        self
    }

    /// Sets body and Content-Type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<bytes::Bytes>) -> Self {
        self.message.set_body(content_type, body);
        self
    }

    /// The bytes to send, with a Content-Length, if the message itself is not needed.
    pub fn into_bytes(mut self) -> bytes::Bytes {
        self.message.ensure_content_length();
        self.message.to_bytes()
    }

    /// The message, with a Content-Length.
    pub fn build(mut self) -> Message {
        self.message.ensure_content_length();
        self.message.consolidate();
        self.message
    }
}
