//! Masks phone numbers except for their last two digits.
//!
//! A number of the public network has seven digits or more. Shorter ones are extensions and codes of the tenant itself,
//! without which a trace cannot be read; names of the tenant's own services and our tags stay as well.

use super::entry::{Entry, What};

/// Fewer digits are an extension or a code, not a phone number.
const DIGITS_MIN: usize = 7;
/// More digits are no phone number (ITU-T E.164).
const DIGITS_MAX: usize = 15;
/// Fewer characters are no encrypted tag of ours.
const TAG_MIN: usize = 48;
/// Digits that stay readable.
const SHOWN: usize = 2;

/// A number, or any text with numbers in it.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        out.push_str(before);
        // A part of a longer word, a version or a time is not a dialled number.
        let part = before.ends_with(|c: char| c.is_alphanumeric() || c == '.') || after.starts_with(is_inner);
        if (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && !part {
            if out.ends_with('+') {
                out.pop();
            }
            out.push_str(&stars(digits));
        } else {
            out.push_str(digits);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn is_inner(c: char) -> bool {
    c.is_alphanumeric()
}

fn stars(number: &str) -> String {
    let shown: Vec<char> = number.chars().filter(|c| c.is_ascii_digit()).collect();
    let last: String = shown.iter().skip(shown.len().saturating_sub(SHOWN)).collect();
    format!("***{last}")
}

/// Whether it is a number of the public network and nothing else.
fn is_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    digits >= DIGITS_MIN && text.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c))
}

/// The user part of a URI, or a DN: a number, a person's name, an extension, or one of our own names.
pub fn user(user: &str) -> String {
    let plain = user.split(';').next().unwrap_or_default();
    let digits = plain.chars().filter(char::is_ascii_digit).count();
    let is_number = plain.chars().all(|c| c.is_ascii_digit() || "+*#-.() ".contains(c));
    if is_number {
        return if digits >= DIGITS_MIN { stars(plain) } else { user.to_owned() };
    }
    if is_ours(plain) {
        return user.to_owned();
    }
    "***".to_owned()
}

/// Whether it is a media service, a node, or one of our tags and tokens.
fn is_ours(user: &str) -> bool {
    let service =
        ["conf=", "annc", "msml", "dialog", "anonymous", "sip-cluster-", "media-", "registrar-", "sip-proxy-"];
    // The form of earlier releases begins with a ConnID. It names nobody either.
    let former = user.len() > 17
        && user.as_bytes().get(16) == Some(&b'.')
        && user.bytes().take(16).all(|byte| byte.is_ascii_hexdigit());
    let is_tag = |rest: &str| rest.len() >= TAG_MIN && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v'));
    former || user.strip_prefix("2.").is_some_and(is_tag) || service.iter().any(|prefix| user.starts_with(prefix))
}

/// Headers that stay unmasked: their user parts are flow tokens, their numbers not phone numbers.
const PLAIN: [&str; 24] = [
    "via",
    "v",
    "route",
    "record-route",
    "path",
    "call-id",
    "i",
    "cseq",
    "replaces",
    "in-reply-to",
    "session-id",
    "content-length",
    "l",
    "date",
    "expires",
    "max-forwards",
    "rseq",
    "rack",
    "session-expires",
    "x",
    "timestamp",
    "user-agent",
    "server",
    "warning",
];

/// Headers with addresses, whose parameters are tags and the like.
const ADDRESSES: [&str; 14] = [
    "from",
    "f",
    "to",
    "t",
    "contact",
    "m",
    "p-asserted-identity",
    "p-preferred-identity",
    "remote-party-id",
    "diversion",
    "history-info",
    "refer-to",
    "r",
    "referred-by",
];

/// Masks the user parts of all URIs of a SIP message, the display names, and the numbers in headers of free text. Of the body, session
/// descriptions and the like stay unmasked; where somebody is (PIDF-LO), and what else is beside a session, do not.
pub fn message(text: &str) -> String {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let folded = head.len();
    // A folded header line is one header (RFC 3261 §7.3.1).
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut out = String::with_capacity(text.len());
    for (number, line) in head.split("\r\n").enumerate() {
        if number > 0 {
            out.push_str("\r\n");
        }
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            // It names a phone by its number, which may be one of the public network.
            "trunkline-source" => out.push_str(&self::text(line)),
            // Who may ask at the address there learns where somebody is (RFC 6442).
            "geolocation" => out.push_str("Geolocation: ***"),
            plain if PLAIN.contains(&plain) || plain.starts_with("trunkline-") => out.push_str(line),
            _ if number == 0 => out.push_str(&uris(line)),
            address if ADDRESSES.contains(&address) => out.push_str(&uris(&without_names(line))),
            _ => out.push_str(&digits(&uris(&without_names(line)))),
        }
    }
    if text.len() > folded {
        out.push_str("\r\n\r\n");
        out.push_str(&self::body(&head, body));
    }
    out
}

/// A body as far as it may be shown. `head` is that of its message, without folded lines.
fn body(head: &str, body: &str) -> String {
    let types = head.split("\r\n").filter_map(|line| line.split_once(':')).filter(|(name, _)| is_content_type(name));
    let types: Vec<String> = types.map(|(_, value)| value.to_ascii_lowercase()).collect();
    let is = |what: &str| types.iter().any(|value| value.contains(what));
    if is("multipart") {
        return parts(body);
    }
    if is("pidf") && !body.is_empty() { "***".to_owned() } else { body.to_owned() }
}

fn is_content_type(name: &str) -> bool {
    ["content-type", "c"].iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// The parts of a body: of those that are no session descriptions the headers alone, and nothing of what cannot be taken apart. The first
/// line that begins with two dashes is taken for the delimiter, as it is in all that we receive and write.
fn parts(body: &str) -> String {
    let Some(delimiter) = body.lines().find(|line| line.starts_with("--")).map(str::trim_end) else {
        return "***".to_owned();
    };
    let mut out = String::with_capacity(body.len());
    for (place, part) in body.split(delimiter).enumerate() {
        if place > 0 {
            out.push_str(delimiter);
        }
        match part.split_once("\r\n\r\n") {
            Some((head, _)) if !head.to_ascii_lowercase().contains("application/sdp") => {
                let about = |line: &&str| line.is_empty() || line.to_ascii_lowercase().starts_with("content-");
                out.push_str(&head.split("\r\n").filter(about).collect::<Vec<_>>().join("\r\n"));
                out.push_str("\r\n\r\n***\r\n");
            }
            None if !part.trim_matches(['-', '\r', '\n']).is_empty() => out.push_str("***\r\n"),
            _ => out.push_str(part),
        }
    }
    out
}

/// Masks the display names before the `<` of addresses.
fn without_names(line: &str) -> String {
    let Some((name, value)) = line.split_once(':') else { return line.to_owned() };
    let mut out = format!("{name}:");
    let mut rest = value;
    while let Some((before, from)) = unquoted(rest, '<').first().map(|at| rest.split_at(*at)) {
        // In a list, the text before the comma belongs to the previous address.
        let (before, display) = before.split_at(unquoted(before, ',').last().map_or(0, |at| at + 1));
        out.push_str(before);
        out.push_str(if display.trim().is_empty() { display } else { " \"***\" " });
        let (uri, after) = from.split_at(from.find('>').map_or(from.len(), |at| at + 1));
        out.push_str(uri);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Positions of a character outside of quoted strings; an unterminated quote counts as no string.
fn unquoted(text: &str, wanted: char) -> Vec<usize> {
    let (mut found, mut inside, mut is_escaped) = (Vec::new(), None, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if inside.is_some() => is_escaped = true,
            '"' => inside = inside.is_none().then_some(at),
            _ if c == wanted && inside.is_none() => found.push(at),
            _ => {}
        }
    }
    let open = inside.into_iter().flat_map(|from| text.match_indices(wanted).filter(move |(at, _)| *at > from));
    found.extend(open.map(|(at, _)| at));
    found
}

/// Free text of a header: masks any sequence with as many digits as a number, however they are grouped and whatever
/// surrounds it.
fn digits(text: &str) -> String {
    let is_inner = |c: char| c.is_ascii_digit() || "-.() /".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_inner(c)).unwrap_or(from.len());
        let end = from.get(..end).and_then(|run| run.rfind(|c: char| c.is_ascii_digit())).map_or(end, |last| last + 1);
        let (run, after) = from.split_at(end);
        let is_number = run.chars().filter(char::is_ascii_digit).count() >= DIGITS_MIN;
        out.push_str(if is_number { before.trim_end_matches(['+', '(']) } else { before });
        out.push_str(&if is_number { stars(run) } else { run.to_owned() });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Masks the user part of each SIP and tel URI in a text.
pub(crate) fn uris(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((at, scheme)) = next_scheme(rest) {
        let (before, from) = rest.split_at(at + scheme.len());
        out.push_str(before);
        let end = from.find(|c: char| "<>\", \t".contains(c)).unwrap_or(from.len());
        let (uri, after) = from.split_at(end);
        match uri.split_once('@') {
            Some((name, host)) => {
                out.push_str(&user(name));
                out.push('@');
                // Parameters and headers of a URI may contain another one.
                let (host, more) = host.split_at(host.find([';', '?']).unwrap_or(host.len()));
                out.push_str(host);
                out.push_str(&if more.contains(['%', '?', ':', '@']) { digits(more) } else { more.to_owned() });
            }
            None if is_number(uri) => out.push_str(&stars(uri)),
            None if scheme.eq_ignore_ascii_case("tel:") => out.push_str(&user(uri)),
            None => out.push_str(uri),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Position of the next scheme, and the scheme with its colon. Schemes are case-insensitive (RFC 3261 §19.1.4).
fn next_scheme(text: &str) -> Option<(usize, &str)> {
    text.match_indices(':').find_map(|(colon, _)| {
        let before = text.get(..colon)?;
        let is_scheme = |scheme: &&str| {
            let start = colon.checked_sub(scheme.len());
            start.and_then(|start| before.get(start..)).is_some_and(|word| word.eq_ignore_ascii_case(scheme))
        };
        let scheme = ["sips", "sip", "tel"].into_iter().find(is_scheme)?;
        let start = colon - scheme.len();
        Some((start, text.get(start..=colon)?))
    })
}

/// Masks all numbers of an entry.
pub fn entry(entry: &mut Entry) {
    let number = |field: &mut String| *field = user(field);
    let optional = |field: &mut Option<String>| {
        if let Some(field) = field {
            *field = user(field);
        }
    };
    match &mut entry.what {
        What::Message(message) => message.text = self::message(&message.text),
        What::Call(call) => {
            number(&mut call.caller);
            number(&mut call.dialled);
        }
        What::Leg(leg) => {
            number(&mut leg.party);
            leg.contact = leg.contact.as_deref().map(uris);
        }
        What::Event(event) => {
            for field in [&mut event.ani, &mut event.dnis] {
                optional(field);
            }
            let fields = [&mut event.this_dn, &mut event.other_dn, &mut event.third_party_dn, &mut event.error];
            for field in fields.into_iter().flatten() {
                *field = text(field);
            }
            for (_, value) in &mut event.extensions {
                *value = text(value);
            }
        }
        What::Step(step) => {
            step.text = text(&step.text);
            step.name = text(&step.name);
        }
        What::Request(request) => {
            request.outcome = text(&request.outcome);
            request.name = text(&request.name);
        }
        What::Note { text: words } => *words = text(words),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_last_two_digits_and_extensions_stay() {
        assert_eq!(text("+15550100 called 7101 at 12:03"), "***00 called 7101 at 12:03");
        assert_eq!(text("call 0123456789012345 of node-12345678"), "call 0123456789012345 of node-***78");
        assert_eq!(
            (user("+4930123456").as_str(), user("7101").as_str(), user("*50").as_str()),
            ("***56", "7101", "*50")
        );
        assert_eq!((user("jane.doe").as_str(), user("conf=00ff").as_str()), ("***", "conf=00ff"));
    }

    #[test]
    fn every_uri_of_a_message_is_masked_but_tags_routes_and_body_stay() {
        let digits = "0123456789abcdef".repeat(3);
        let text = &format!(
            "INVITE sip:+15550100@edge SIP/2.0\r\nFrom: \"Jane Doe\" <sip:+15557654321@pstn.example>;tag=a\r\n\
            To: <sip:+15550100@edge>\r\nP-Asserted-Identity: <tel:+15557654321>, <sip:+15557654321@x>\r\n\
            Contact: <sip:00aa00aa00aa00aa.1.sip-cluster-1.9.ff@edge>, <sip:2.v0{digits}@edge>, <sip:2.jane@edge>\r\nRoute: <sip:1234567890@edge;lr>\r\n\
            Diversion: <sip:+15557654321@x>;reason=no-answer\r\n\r\nc=IN IP4 192.0.2.1\r\n"
        );
        let masked = message(text);
        assert!(!masked.contains("5557654321") && !masked.contains("Jane") && !masked.contains("15550100"), "{masked}");
        assert!(masked.contains("INVITE sip:***00@edge SIP/2.0") && masked.contains("<tel:***21>"), "{masked}");
        assert!(masked.contains("00aa00aa00aa00aa.1.sip-cluster-1.9.ff@edge"), "{masked}");
        assert!(masked.contains(&format!("<sip:2.v0{digits}@edge>")) && masked.contains("<sip:***@edge>"), "{masked}");
        assert!(masked.contains("<sip:1234567890@edge;lr>") && masked.ends_with("c=IN IP4 192.0.2.1\r\n"), "{masked}");
    }

    #[test]
    fn no_form_of_a_number_or_a_name_stays() {
        let text = "INVITE SIP:+15550100@edge SIP/2.0\r\nFrom: \"Doe, Jane\" <SIP:+15557654321@x>;tag=1234567890\r\n\
            P-Asserted-Identity: Jane <sip:+15557654321@x>;a=b, \"Jane\" <TEL:+15557654321>\r\n\
            X-Caller: +15557654321\r\nSubject: call 15557654321 back\r\nReason: SIP;cause=480;text=\"5557654321 away\"\r\n\
            Content-Length: 0\r\n\r\n";
        let masked = message(text);
        assert!(!masked.contains("5557654321") && !masked.contains("Jane") && !masked.contains("15550100"), "{masked}");
        assert!(masked.contains("From: \"***\" <SIP:***21@x>;tag=1234567890\r\n"), "{masked}");
        assert!(masked.contains("<sip:***21@x>;a=b, \"***\" <TEL:***21>\r\nX-Caller: ***21\r\n"), "{masked}");
        assert!(masked.contains("Subject: call ***21 back\r\n") && masked.contains("SIP;cause=480"), "{masked}");
    }

    #[test]
    fn neither_grouped_digits_nor_odd_forms_of_headers_show_a_number() {
        let text = "INVITE sip:+15557654321 SIP/2.0\r\nFrom : \"Jane <+15557654321>\" <sip:+15557654321>;tag=1\r\nTo:\r\n \"Jane\" \
            <sip:a@h;target=sip:15557654321%40x?Referred-By=sip%3A15557654321>\r\nX-A: +1-555-765-4321, (555) 765 4321\r\n\
            Trunkline-Source: phone;dn=\"+15557654321\"\r\nX-B: 1.5557654321\r\nX-C: a15557654321\r\nContact: \"Jane <sip:b@h>\r\nContact: <sip:b@h>;expires=600;\
            +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"\r\n\r\n";
        let masked = message(text);
        for hidden in ["765-4321", "765 4321", "7654321", "Jane"] {
            assert!(!masked.contains(hidden), "{hidden} is in {masked}");
        }
        assert!(masked.contains("From : \"***\" <sip:***21>;tag=1\r\nTo: \"***\" <sip:***@h;target=sip:"), "{masked}");
        let contact = "<sip:***@h>;expires=600;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";
        assert!(
            masked.contains(contact)
                && masked.contains("X-A: ***21, ***21\r\nTrunkline-Source: phone;dn=\"***21\"\r\nX-B: ***21"),
            "{masked}"
        );
    }

    #[test]
    fn where_somebody_is_is_not_shown() {
        let head = "INVITE sip:112@edge SIP/2.0\r\ngeolocation : <cid:1@node>,\r\n <https://where.example/main-street-7>\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\n\r\n";
        let parts = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <1@node>\r\n\r\n\
            <presence>Main Street 7\r\n\r\n--x\r\n4th floor</presence>\r\n--b--\r\n";
        let masked = message(&format!("{head}{parts}"));
        for hidden in ["Main Street", "main-street", "4th floor"] {
            assert!(!masked.contains(hidden), "{hidden} is in {masked}");
        }
        assert!(
            masked.contains("\r\nGeolocation: ***\r\n")
                && masked.contains("\r\n\r\nv=0\r\n--b\r\n")
                && masked.contains("Content-ID: <1@node>\r\n\r\n***\r\n--b--"),
            "{masked}"
        );
        let alone = "PUBLISH sip:a@b SIP/2.0\r\nc : Application/PIDF+xml\r\n\r\n<presence>Main Street 7</presence>";
        assert!(message(alone).ends_with("\r\n\r\n***"), "{}", message(alone));
        for odd in [
            "Main Street 7",
            "x\r\n--\r\nMain Street 7",
            "--b\r\nMain Street 7",
            "preamble: Main Street 7\r\n--b--\r\n",
        ] {
            let masked = message(&format!("{head}{odd}"));
            assert!(!masked.contains("Main Street"), "{masked}");
        }
    }
}
