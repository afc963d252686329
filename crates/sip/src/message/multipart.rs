//! Multipart bodies (RFC 5621): carriers send the session description beside parts of other networks (ISUP, a location).

use bytes::Bytes;

use super::Message;
use crate::header::HeaderName;
use crate::multipart::{Part, boundary, parts};

impl Message {
    /// The message for a receiver that understands only session descriptions: one among other parts becomes the body, and a
    /// body that may be ignored is removed.
    ///
    /// A location is understood (RFC 6442), and read before. If another part declares that it must be understood (`handling=required`), the message stays as it is and is answered
    /// 415. RFC 3261 §20.11 makes that the default; but a gateway that adds a part without declaring it does not want its calls
    /// refused.
    pub(crate) fn unpacked(mut self) -> Self {
        if self.body.is_empty() {
            return self;
        }
        let Ok(Some(kind)) = self.content_type() else { return self };
        if kind.is("application", "sdp") {
            return self;
        }
        if !kind.kind.eq_ignore_ascii_case("multipart") {
            if self.header(&HeaderName::ContentDisposition).is_some_and(|d| handling(d, "optional")) {
                self.replace_body("", Bytes::new());
            }
            return self;
        }
        let Some(boundary) = boundary(&kind) else { return self };
        let parts = parts(&self.body, &boundary);
        if parts.iter().any(|part| is_required(part) && !is_session(part) && !part.is_location()) {
            return self;
        }
        if let Some(session) = parts.into_iter().find(is_session) {
            self.replace_body("application/sdp", session.content);
        }
        self
    }

    fn replace_body(&mut self, content_type: &str, body: Bytes) {
        self.remove(&HeaderName::ContentDisposition);
        self.set_body(content_type, body);
    }
}

fn handling(disposition: &str, wanted: &str) -> bool {
    let mut params = disposition.split(';').skip(1).filter_map(|param| param.split_once('='));
    params.any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("handling") && value.trim().trim_matches('"').eq_ignore_ascii_case(wanted)
    })
}

fn is_session(part: &Part) -> bool {
    part.is("application", "sdp")
}

fn is_required(part: &Part) -> bool {
    part.header("Content-Disposition", "Content-Disposition").is_some_and(|d| handling(d, "required"))
}

#[cfg(test)]
mod tests;
