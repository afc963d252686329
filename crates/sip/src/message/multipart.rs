//! Multipart bodies (RFC 5621): carriers send the session description beside parts of other networks (ISUP, a location).

use bytes::Bytes;
use memchr::memmem;

use super::Message;
use crate::header::HeaderName;
use crate::header::content::MediaType;
use crate::params::unquote;
use crate::parse;

/// The most parts that are read; no sender uses more.
const PARTS_MAX: usize = 16;
/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;

/// One part of a body.
struct Part {
    is_session: bool,
    is_required: bool,
    content: Bytes,
}

impl Message {
    /// The message for a receiver that understands only session descriptions: one among other parts becomes the body, and a
    /// body that may be ignored is removed.
    ///
    /// If another part declares that it must be understood (`handling=required`), the message stays as it is and is answered
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
        let boundary = kind.params.get("boundary").map(|value| unquote(value).into_owned());
        let Some(boundary) = boundary.filter(|b| (1..=BOUNDARY_MAX).contains(&b.len())) else { return self };
        let parts = parts(&self.body, &boundary);
        if parts.iter().any(|part| part.is_required && !part.is_session) {
            return self;
        }
        if let Some(session) = parts.into_iter().find(|part| part.is_session) {
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

/// The parts between the delimiters (RFC 2046 §5.1.1). Text before the first and after the last one is ignored.
fn parts(body: &Bytes, boundary: &str) -> Vec<Part> {
    let delimiter = format!("--{boundary}");
    let is_mark = |at: &usize| {
        let begins_line = *at == 0 || body.get(at - 1) == Some(&b'\n');
        // Another boundary may begin with the same characters.
        begins_line && matches!(body.get(at + delimiter.len()), None | Some(b'\r' | b'\n' | b' ' | b'\t' | b'-'))
    };
    let marks: Vec<usize> = memmem::find_iter(body, delimiter.as_bytes()).filter(is_mark).take(PARTS_MAX + 1).collect();
    marks
        .windows(2)
        .filter_map(|pair| {
            let [from, to] = *pair else { return None };
            let start = from + delimiter.len();
            let line = memchr::memchr(b'\n', body.get(start..to)?)?;
            let part = body.slice(start + line + 1..to);
            // The line end before a delimiter is part of it.
            let end = part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(&part).len();
            Some(read(&part.slice(..end)))
        })
        .collect()
}

fn read(part: &Bytes) -> Part {
    let (head, content) = if part.starts_with(b"\r\n") {
        (&[][..], part.slice(2..))
    } else {
        memmem::find(part, b"\r\n\r\n").map_or((&part[..], Bytes::new()), |at| (&part[..at], part.slice(at + 4..)))
    };
    let text = std::str::from_utf8(head).unwrap_or_default();
    let header = |wanted: &str, compact: &str| {
        let mut lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
        let named = |name: &str| name.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(compact);
        lines.find(|(name, _)| named(parse::trim(name))).map(|(_, value)| parse::trim(value))
    };
    let kind = header("Content-Type", "c").and_then(|value| MediaType::parse(value).ok());
    Part {
        is_session: kind.is_some_and(|kind| kind.is("application", "sdp")),
        is_required: header("Content-Disposition", "Content-Disposition").is_some_and(|d| handling(d, "required")),
        content,
    }
}

#[cfg(test)]
mod tests;
