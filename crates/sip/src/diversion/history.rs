//! History-Info (RFC 7044) as a list of diversions, and back (RFC 7544).

use super::{DIVERSIONS_MAX, Diversion, DiversionReason, number};
use crate::header::{HeaderName, NameAddr};
use crate::limits::LIST_MAX;
use crate::message::Message;
use crate::uri::escape::{escape_user, unescape};

/// The deepest index that is read: all that we write are less deep.
const DEPTH_MAX: usize = 128;

/// One `hi-entry`.
struct HistoryEntry {
    index: Vec<u32>,
    /// The index of the entry that was retargeted to this one (`mp`, RFC 7044 §9.1).
    from: Option<Vec<u32>>,
    number: Option<String>,
    is_private: bool,
    /// Why the call came to this one (RFC 4458), or left it (Reason).
    cause: Option<u16>,
    left: Option<u16>,
}

/// The diversions that the entries tell of, the oldest first. Entries without a diversion (a proxy's own steps) say nothing.
pub(super) fn read(message: &Message) -> Vec<Diversion> {
    let addresses = message.addresses(HeaderName::HistoryInfo).take(LIST_MAX).filter_map(Result::ok);
    let entries: Vec<HistoryEntry> = addresses.filter_map(|address| entry(&address)).collect();
    let mut diversions = Vec::new();
    for (at, to) in entries.iter().enumerate().skip(1) {
        let by_index = to.from.as_ref().and_then(|from| entries.iter().take(at).rfind(|entry| entry.index == *from));
        let Some(from) = by_index.or_else(|| entries.get(at - 1)) else { continue };
        // RFC 7544 §6.2: `cause` is that of the entry to which the call was diverted; Reason that of the one which was left.
        let cause = to.cause.or_else(|| to.from.as_ref().and(from.left));
        if let (Some(cause), Some(number)) = (cause, &from.number) {
            let levels = u32::try_from(to.index.len().saturating_sub(from.index.len())).unwrap_or(1);
            diversions.push(Diversion {
                number: number.clone(),
                reason: DiversionReason::of_cause(cause),
                counter: levels.clamp(1, DIVERSIONS_MAX),
                is_private: from.is_private,
            });
        }
    }
    diversions
}

/// One value with an entry for each number, and for the one that is called now.
pub(super) fn write(diversions: &[Diversion], called: &str, host: &str) -> String {
    let (mut index, mut value) = ("1".to_owned(), String::new());
    let mut came: Option<(u16, String)> = None;
    let numbers = diversions.iter().map(|entry| (entry.number.as_str(), Some(entry)));
    for (number, diversion) in numbers.chain([(called, None)]) {
        if !value.is_empty() {
            value.push_str(", ");
        }
        let (cause, mp) = match came.take() {
            Some((cause, from)) => (format!(";cause={cause}"), format!(";mp={from}")),
            None => (String::new(), String::new()),
        };
        let privacy = if diversion.is_some_and(|entry| entry.is_private) { "?Privacy=history" } else { "" };
        value.push_str(&format!("<sip:{}@{host}{cause}{privacy}>;index={index}{mp}", escape_user(number)));
        if let Some(entry) = diversion {
            came = Some((entry.reason.cause(), index.clone()));
            // A level for each diversion, those without an entry too (RFC 7544 §6.1).
            let levels = entry.counter.clamp(1, DIVERSIONS_MAX) as usize;
            index.push_str(&".1".repeat(levels));
        }
    }
    value
}

fn entry(address: &NameAddr<'_>) -> Option<HistoryEntry> {
    let uri = address.uri().ok()?;
    let headers: Vec<(&str, String)> = uri
        .headers()
        .trim_start_matches('?')
        .split('&')
        .filter_map(|header| header.split_once('='))
        .map(|(name, value)| (name, unescape(value).into_owned()))
        .collect();
    let embedded =
        |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let is_private = embedded("Privacy")
        .is_some_and(|value| value.split(';').any(|word| word.trim().eq_ignore_ascii_case("history")));
    let params = address.params();
    Some(HistoryEntry {
        index: index(params.get("index")?)?,
        from: params.get("mp").and_then(index),
        number: number(&uri),
        is_private,
        cause: uri.params().get("cause").and_then(|cause| cause.parse().ok()),
        left: embedded("Reason").and_then(|reason| sip_cause(reason)),
    })
}

/// The cause of `SIP;cause=302` (RFC 3326).
fn sip_cause(reason: &str) -> Option<u16> {
    let (protocol, params) = reason.split_once(';')?;
    let mut causes = params.split(';').filter_map(|param| param.trim().strip_prefix("cause="));
    causes.next().filter(|_| protocol.trim().eq_ignore_ascii_case("sip"))?.trim().parse().ok()
}

fn index(text: &str) -> Option<Vec<u32>> {
    text.split('.').take(DEPTH_MAX).map(|level| level.parse().ok()).collect()
}
