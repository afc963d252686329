//! Converts SIP messages to a ladder diagram.

use std::collections::HashMap;

use runtime::trace::entry;

use super::document::{Ladder, Message, Party, Trace, ms};

/// A recorded message with the node that recorded it.
pub(super) struct Recorded<'a> {
    pub at: u64,
    pub by: &'a str,
    pub message: &'a entry::Message,
}

/// The legs by the report of the call's owner: number, party, whether the caller's.
pub(super) type LegNames = HashMap<u16, (String, bool)>;

/// The ladder of a call.
pub(super) fn ladder(recorded: &[Recorded<'_>], legs: &LegNames) -> Ladder {
    let mut ladder = Ladder::default();
    let mut seen: HashMap<(String, String, &str), ()> = HashMap::new();
    for Recorded { at, by, message } in recorded {
        let head = Head::read(&message.text);
        let peer = message.node.clone().unwrap_or_else(|| message.peer.clone());
        let outside = message.node.is_none();
        let name = if outside { outside_name(&message.peer, message.leg, legs) } else { peer.clone() };
        join(&mut ladder.parties, Party { id: peer.clone(), name, inside: !outside });
        join(&mut ladder.parties, Party { id: (*by).to_owned(), name: (*by).to_owned(), inside: true });
        let (from, to) = if message.inbound { (peer, (*by).to_owned()) } else { ((*by).to_owned(), peer) };
        let known = seen.insert((from.clone(), to.clone(), message.text.as_str()), ()).is_some();
        // A provisional response is repeated each minute of ringing, lost or not.
        let repeat = known && head.status.is_none_or(|status| status >= 200);
        ladder.messages.push(Message {
            at: ms(*at),
            from,
            to,
            label: head.label,
            method: head.method,
            status: head.status,
            call_id: head.call_id,
            leg: message.leg,
            transport: message.transport.clone(),
            sdp: head.sdp,
            repeat,
            text: message.text.clone(),
        });
    }
    order(&mut ladder, legs);
    ladder
}

/// Whether a party of the ladder is none of our nodes.
pub(super) fn is_outside(trace: &Trace, id: &str) -> bool {
    trace.ladder.parties.iter().any(|party| party.id == id && !party.inside)
}

/// The first value of a header of a message, by the header's name in small letters.
pub(super) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn join(parties: &mut Vec<Party>, joining: Party) {
    let name = &joining.name;
    match parties.iter_mut().find(|party| party.id == joining.id) {
        None => parties.push(joining),
        // One address may be several phones: SIP clients in one process.
        Some(party) if !party.inside && !party.name.contains(name) && !name.contains(&party.id) => {
            party.name = format!("{}, {name}", party.name);
        }
        Some(_) => {}
    }
}

fn outside_name(address: &str, leg: Option<u16>, legs: &LegNames) -> String {
    match legs.get(&leg.unwrap_or(1)) {
        Some((party, true)) => format!("caller {party}"),
        Some((party, false)) => party.clone(),
        None => address.to_owned(),
    }
}

/// Order from left to right: the caller, the proxies, the owner, media, other nodes, and the ringing phones.
fn order(ladder: &mut Ladder, legs: &LegNames) {
    let caller = ladder.messages.iter().find(|m| m.method == "INVITE" && m.status.is_none()).map(|m| m.from.clone());
    let is_caller = |party: &Party| {
        Some(&party.id) == caller.as_ref()
            || legs.values().any(|(name, is)| *is && party.name == format!("caller {name}"))
    };
    let rank = |party: &Party| match party {
        party if !party.inside && is_caller(party) => 0,
        party if !party.inside => 5,
        party if party.id.starts_with("sip-proxy") => 1,
        party if party.id.starts_with("sip-cluster") => 2,
        party if party.id.starts_with("media") => 3,
        _ => 4,
    };
    ladder.parties.sort_by_key(rank);
}

/// The number of the leg in the Call-ID of its media dialog, which nobody outside sees: `<connid>.<leg>.<random>@<node>`.
pub(super) fn leg_of_media(call_id: &str) -> Option<u16> {
    let mut parts = call_id.split('.');
    let connid = parts.next()?;
    if connid.len() != 16 || !connid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    parts.next()?.parse().ok()
}

/// The parsed parts of a message.
pub(super) struct Head {
    pub label: String,
    pub method: String,
    pub status: Option<u16>,
    pub call_id: String,
    pub sdp: bool,
    /// Its `Reason`, or the cause in a `Warning`.
    pub reason: Option<String>,
}

impl Head {
    pub fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let mut found = Self {
            label: String::new(),
            method: String::new(),
            status: None,
            call_id: String::new(),
            sdp: body.starts_with("v=0"),
            reason: None,
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("call-id") || name.eq_ignore_ascii_case("i") {
                found.call_id = value.to_owned();
            } else if name.eq_ignore_ascii_case("cseq") {
                found.method = value.split_whitespace().nth(1).unwrap_or_default().to_owned();
            } else if name.eq_ignore_ascii_case("reason") || name.eq_ignore_ascii_case("warning") {
                found.reason = Some(value.to_owned());
            }
        }
        match first.strip_prefix("SIP/2.0 ") {
            Some(status) => {
                found.status = status.get(..3).and_then(|code| code.parse().ok());
                found.label = format!("{status} ({})", found.method);
            }
            None => {
                found.method = first.split_whitespace().next().unwrap_or_default().to_owned();
                found.label = found.method.clone();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_ids_of_media_dialogs_name_the_leg() {
        assert_eq!(leg_of_media("00000000000000ab.3.ff@sip-cluster-1"), Some(3));
        assert_eq!((leg_of_media("abc.2.3"), leg_of_media("00000000000000ab-2-ff@x")), (None, None));
    }

    #[test]
    fn a_message_is_read_by_its_head() {
        let head = Head::read("SIP/2.0 486 Busy Here\r\ni: q\r\nCSeq: 7 INVITE\r\n\r\n");
        assert_eq!((head.status, head.method.as_str(), head.call_id.as_str()), (Some(486), "INVITE", "q"));
        assert_eq!(head.label, "486 Busy Here (INVITE)");
        assert!(Head::read("INVITE sip:a SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\n").sdp);
    }
}
