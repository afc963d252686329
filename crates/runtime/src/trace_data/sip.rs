//! A single pass over a SIP message: its dialog and tenant, and its secrets.

use std::ops::Range;

use bytes::Bytes;

use super::TaggedLeg;
use crate::trace_parent::TraceParent;

/// The longest message that is kept whole; longer ones are cut.
const TEXT_MAX: usize = 16 * 1_024;
/// Replaces a secret.
const HIDDEN: &[u8] = b"***";

/// How a message relates to an INVITE that begins a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invite<'a> {
    /// The request.
    Begins {
        /// Its Request-URI.
        target: &'a str,
    },
    /// An answer to it, or to another INVITE of the same dialog.
    Answered(u16),
}

/// Result of the scan.
#[derive(Debug, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The Call-ID.
    pub call_id: &'a str,
    /// The tags of To and From. One of ours names the call; that is reliable only if one of our nodes sent the message.
    tags: [Option<&'a str>; 2],
    /// The tenant that sip-proxy or a node names.
    pub tenant: Option<&'a str>,
    /// The call's own span, where a node names it.
    pub call: Option<TraceParent>,
    /// Whether it begins an INVITE or answers one.
    pub invite: Option<Invite<'a>>,
    secrets: Vec<Range<usize>>,
}

/// Reads the head of a message. `None` for a message without a call (registration, keep-alive) and for an unreadable
/// one.
pub fn scan(bytes: &[u8]) -> Option<Scanned<'_>> {
    if bytes.starts_with(b"REGISTER ") {
        return None;
    }
    let mut found =
        Scanned { call_id: "", tags: [None; 2], tenant: None, call: None, invite: None, secrets: Vec::new() };
    let mut is_invite = false;
    let (mut body, mut digits) = (bytes.len(), Digits::No);
    let mut at = memchr::memchr(b'\n', bytes)? + 1;
    let mut hides = false;
    while let Some(length) = memchr::memchr(b'\n', bytes.get(at..)?) {
        let line = at..at + length + 1;
        let text = bytes.get(line.clone())?.trim_ascii_end();
        at = line.end;
        if text.is_empty() {
            body = at;
            break;
        }
        if matches!(text.first(), Some(b' ' | b'\t')) {
            // A folded line belongs to the previous header.
            if hides {
                found.secrets.push(line.start..line.start + text.len());
            }
            continue;
        }
        let Some(colon) = memchr::memchr(b':', text) else { continue };
        let (name, value) = (text.get(..colon)?.trim_ascii(), text.get(colon + 1..)?.trim_ascii());
        hides = is_secret(name);
        if hides {
            found.secrets.push(line.start + colon + 1..line.start + text.len());
        }
        match name.len() {
            1 | 7 if is(name, b"call-id", b'i') => found.call_id = std::str::from_utf8(value).ok()?,
            1 | 4 if is(name, b"from", b'f') => found.tags[1] = tag(value),
            1 | 2 if is(name, b"to", b't') => found.tags[0] = tag(value),
            4 if name.eq_ignore_ascii_case(b"cseq") && value.ends_with(b"REGISTER") => return None,
            4 if name.eq_ignore_ascii_case(b"cseq") => is_invite = value.ends_with(b"INVITE"),
            1 | 12 if is(name, b"content-type", b'c') => digits = Digits::of(value),
            14 if name.eq_ignore_ascii_case(b"trunkline-node") => return None,
            14 if name.eq_ignore_ascii_case(b"trunkline-live") => return None,
            15 if name.eq_ignore_ascii_case(b"trunkline-trace") => {
                found.call = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            }
            16 if name.eq_ignore_ascii_case(b"trunkline-tenant") => found.tenant = std::str::from_utf8(value).ok(),
            _ => {}
        }
    }
    let text = bytes.get(body..).unwrap_or_default();
    found.secrets.extend(digits.within(text, body));
    found.secrets.extend(keys_of_audio(text, body));
    found.secrets.sort_by_key(|secret| secret.start);
    let has_to_tag = found.tags[0].is_some();
    found.invite = if is_invite { invite(bytes, has_to_tag) } else { None };
    // OPTIONS outside of a dialog are keep-alives of nodes and phones.
    let asks = bytes.starts_with(b"OPTIONS ") && !has_to_tag;
    (!found.call_id.is_empty() && !asks).then_some(found)
}

impl Scanned<'_> {
    /// What one of the tags names, as `open` reads it.
    pub fn tagged(&self, open: impl Fn(&str) -> Option<TaggedLeg>) -> Option<TaggedLeg> {
        self.tags.into_iter().flatten().find_map(open)
    }

    /// A copy of the message without its secrets.
    pub fn without_secrets(&self, bytes: &[u8]) -> Bytes {
        let end = bytes.len().min(TEXT_MAX);
        if self.secrets.is_empty() {
            return Bytes::copy_from_slice(bytes.get(..end).unwrap_or_default());
        }
        let mut copy = Vec::with_capacity(end);
        let mut from = 0;
        for secret in &self.secrets {
            copy.extend_from_slice(bytes.get(from..secret.start.min(end)).unwrap_or_default());
            copy.extend_from_slice(HIDDEN);
            from = secret.end;
        }
        copy.extend_from_slice(bytes.get(from..end).unwrap_or_default());
        copy.into()
    }
}

fn invite(bytes: &[u8], has_to_tag: bool) -> Option<Invite<'_>> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    match (words.next()?, words.next()?) {
        ("INVITE", target) if !has_to_tag => Some(Invite::Begins { target }),
        ("SIP/2.0", status) => status.parse().ok().map(Invite::Answered),
        _ => None,
    }
}

/// Headers whose values authenticate a user or node.
fn is_secret(name: &[u8]) -> bool {
    match name.len() {
        13 => name.eq_ignore_ascii_case(b"authorization"),
        15 => name.eq_ignore_ascii_case(b"trunkline-token"),
        19 => name.eq_ignore_ascii_case(b"proxy-authorization") || name.eq_ignore_ascii_case(b"authentication-info"),
        _ => false,
    }
}

fn is(name: &[u8], long: &[u8], short: u8) -> bool {
    match name {
        [one] => one.eq_ignore_ascii_case(&short),
        name => name.eq_ignore_ascii_case(long),
    }
}

/// The tag in a From or To.
fn tag(value: &[u8]) -> Option<&str> {
    const TAG: &[u8] = b";tag=";
    let text = value.get(find(value, TAG)? + TAG.len()..)?;
    let end = text.iter().position(|byte| matches!(byte, b';' | b',' | b'>' | b' ' | b'\t'));
    std::str::from_utf8(text.get(..end.unwrap_or(text.len()))?).ok()
}

/// How a body carries pressed keys: they may be a PIN.
#[derive(Clone, Copy)]
enum Digits {
    No,
    /// `application/dtmf-relay` and similar: the whole body.
    Whole,
    /// MSML: the values of digits.
    Values,
}

impl Digits {
    fn of(content_type: &[u8]) -> Self {
        let lower = content_type.to_ascii_lowercase();
        if find(&lower, b"dtmf").is_some() {
            Self::Whole
        } else if find(&lower, b"msml").is_some() {
            Self::Values
        } else {
            Self::No
        }
    }

    fn within(self, body: &[u8], offset: usize) -> Vec<Range<usize>> {
        match self {
            Self::No => Vec::new(),
            Self::Whole if body.is_empty() => Vec::new(),
            Self::Whole => std::iter::once(offset..offset + body.len()).collect(),
            Self::Values => digit_values(body, offset),
        }
    }
}

/// The texts between `<value>` and `</value>` that follow a name with `dtmf.digits` or `dtmf.last`.
fn digit_values(body: &[u8], offset: usize) -> Vec<Range<usize>> {
    const OPEN: &[u8] = b"<value>";
    let mut found = Vec::new();
    for name in [b"<name>dtmf.digits</name>".as_slice(), b"<name>dtmf.last</name>"] {
        let mut from = 0;
        while let Some(at) = body.get(from..).and_then(|rest| find(rest, name)) {
            from += at + name.len();
            let Some(open) = body.get(from..).and_then(|rest| find(rest, OPEN)) else { break };
            let start = from + open + OPEN.len();
            let length = body.get(start..).and_then(|rest| rest.iter().position(|byte| *byte == b'<'));
            let end = start + length.unwrap_or_default();
            found.push(offset + start..offset + end);
            from = end;
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// The keys of encrypted audio in a session description (RFC 4568): what follows `inline:` in a line `a=crypto:`, or all of the line. And
/// the password of who looks for the way to it (RFC 8839 §5.4).
fn keys_of_audio(body: &[u8], offset: usize) -> Vec<Range<usize>> {
    const NAME: &[u8] = b"a=crypto:";
    const METHOD: &[u8] = b"inline:";
    const PASSWORD: &[u8] = b"a=ice-pwd:";
    let mut found = Vec::new();
    let mut at = 0;
    for line in body.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
        let text = line.trim_ascii_end();
        if text.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
            let key = text.windows(METHOD.len()).position(|part| part.eq_ignore_ascii_case(METHOD));
            let from = key.map_or(NAME.len(), |key| key + METHOD.len());
            found.push(offset + at + from..offset + at + text.len());
        }
        if text.get(..PASSWORD.len()).is_some_and(|name| name.eq_ignore_ascii_case(PASSWORD)) {
            found.push(offset + at + PASSWORD.len()..offset + at + text.len());
        }
        at += line.len();
    }
    found
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:7101@edge SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=x\r\n\
        To: <sip:7101@edge>\r\ni: abc@host\r\nCSeq: 1 INVITE\r\nProxy-Authorization: Digest username=\"7101\",\r\n \
        response=\"c0ffee\"\r\nTrunkline-Tenant: acme\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_message_is_known_by_its_call_id_and_its_credentials_are_gone() {
        let scanned = scan(INVITE.as_bytes()).unwrap();
        assert_eq!((scanned.call_id, scanned.tenant), ("abc@host", Some("acme")));
        let kept = String::from_utf8(scanned.without_secrets(INVITE.as_bytes()).to_vec()).unwrap();
        assert!(!kept.contains("c0ffee") && !kept.contains("Digest"), "{kept}");
        assert!(kept.contains("Proxy-Authorization:***\r\n"), "{kept}");
        assert!(kept.ends_with("Content-Length: 0\r\n\r\n"), "{kept}");
    }

    #[test]
    fn a_tag_of_ours_names_the_call_on_either_side() {
        let ours = TaggedLeg { conn_id: model::ConnId(0xab), leg: 2 };
        for (from, to) in [("2.abc", ""), ("x", ";tag=2.abc;more=y"), ("x", ";tag=2.abc "), ("2.abc;a", ";tag=y")] {
            let text = format!(
                "SIP/2.0 200 OK\r\nFrom: <sip:a@b>;tag={from}\r\nTo: <sip:c@d>{to}\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n\r\n"
            );
            let tagged = scan(text.as_bytes()).unwrap().tagged(|tag| (tag == "2.abc").then_some(ours));
            assert_eq!(tagged, Some(ours), "{text}");
            assert_eq!(scan(text.as_bytes()).unwrap().tagged(|_| None), None);
        }
    }

    #[test]
    fn registrations_and_questions_between_nodes_belong_to_no_call() {
        let head = "\r\nCall-ID: q\r\nFrom: <sip:a@b>;tag=x\r\nTo: <sip:a@b>\r\n";
        for text in [
            format!("REGISTER sip:edge SIP/2.0{head}CSeq: 1 REGISTER\r\n\r\n"),
            format!("SIP/2.0 200 OK{head}CSeq: 1 REGISTER\r\n\r\n"),
            format!("OPTIONS sip:edge SIP/2.0{head}CSeq: 1 OPTIONS\r\n\r\n"),
            format!("SIP/2.0 200 OK{head}CSeq: 1 OPTIONS\r\nTrunkline-Live: a\r\n\r\n"),
            "garbage".to_owned(),
        ] {
            assert_eq!(scan(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn keys_of_encrypted_audio_are_never_kept() {
        let head = "INVITE sip:a SIP/2.0\r\nCall-ID: q\r\nFrom: <sip:a@b>;tag=x\r\nTo: <sip:a@b>\r\nCSeq: 1 INVITE\r\n";
        let text = format!(
            "{head}Content-Type: application/sdp\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c0ffee|2^31|1:4\r\n\
             a=ptime:20\r\nA=CRYPTO:2 X INLINE:c0ffee;inline:c0ffee\na=crypto:c0ffee\na=ice-pwd:c0ffee"
        );
        let kept = scan(text.as_bytes()).unwrap().without_secrets(text.as_bytes());
        let kept = String::from_utf8(kept.to_vec()).unwrap();
        let masked = "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\na=ptime:20\r\nA=CRYPTO:2 X INLINE:***\na=crypto:***\na=ice-pwd:***";
        assert!(kept.ends_with(masked), "{kept}");
    }

    #[test]
    fn keys_that_somebody_pressed_are_never_kept() {
        let head = "INFO sip:a SIP/2.0\r\nCall-ID: q\r\nFrom: <sip:a@b>;tag=x\r\nTo: <sip:a@b>;tag=y\r\n";
        let relay = format!("{head}Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n");
        let msml = format!(
            "{head}Content-Type: application/msml+xml\r\n\r\n<event name=\"msml.dialog.exit\"><name>dtmf.digits</name>\
             <value>4711</value><name>dtmf.end</name><value>dtmf.max</value><name>dtmf.last</name><value>1</value></event>"
        );
        for (text, gone) in [(&relay, "Signal=5"), (&msml, "4711"), (&msml, "<value>1<")] {
            let kept = scan(text.as_bytes()).unwrap().without_secrets(text.as_bytes());
            let kept = String::from_utf8(kept.to_vec()).unwrap();
            assert!(!kept.contains(gone), "{kept}");
        }
        let kept = scan(msml.as_bytes()).unwrap().without_secrets(msml.as_bytes());
        assert!(String::from_utf8_lossy(&kept).contains("<value>dtmf.max</value>"));
    }
}
