//! SIPp's traces of each of its calls: the judge's evidence.

use std::collections::{BTreeMap, HashMap};

use sip::{LocalTag, Seal};

use crate::clock::Micros;
use crate::tenant::Kind;

/// Maximum characters reported of SIPp's text about a failure.
const WHY_MAX: usize = 260;

/// The side that wrote a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A caller.
    Caller,
    /// An agent's phone, or a dialled one.
    Phone,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// When the request was first sent or received.
    pub at: Micros,
    /// Whether SIPp sent it.
    pub is_sent: bool,
    /// Its method.
    pub method: String,
    /// Its CSeq number.
    pub cseq: u32,
    /// When the first 1xx was sent or received.
    pub provisional: Option<Micros>,
    /// Its final answer: time and code.
    pub last: Option<(Micros, u16)>,
}

impl Exchange {
    /// Whether it was answered with 2xx.
    pub fn is_answered_well(&self) -> bool {
        self.last.is_some_and(|(_, code)| (200..300).contains(&code))
    }
}

/// One call in the traces of one SIPp run.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The side that wrote the trace.
    pub side: Side,
    /// The kind of call.
    pub kind: Kind,
    /// Its Call-ID.
    pub id: String,
    /// The number in the INVITE.
    pub number: String,
    /// The call's key in the installation.
    pub connid: String,
    /// The node and epoch that started the call, as `node.epoch`.
    pub owner: String,
    /// The sip-proxy by which it goes, as `host:port` of its edge; empty if the trace does not tell.
    pub edge: String,
    /// Which share of the RTP endpoints its caller speaks from; none for one without audio.
    pub ears: Option<u64>,
    /// Requests in order.
    pub exchanges: Vec<Exchange>,
    /// When the first INVITE's 200 was acknowledged.
    pub acknowledged: Option<Micros>,
    /// Why SIPp aborted the call.
    pub failure: Option<String>,
}

impl Leg {
    fn invite(&self) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.method == "INVITE")
    }

    /// When it started.
    pub fn began(&self) -> Micros {
        self.exchanges.first().map_or(0, |exchange| exchange.at)
    }

    /// When the INVITE got its first response.
    pub fn heard_of(&self) -> Option<Micros> {
        let invite = self.invite()?;
        invite.provisional.or(invite.last.map(|(at, _)| at))
    }

    /// When it was answered.
    pub fn answered(&self) -> Option<Micros> {
        self.invite().filter(|invite| invite.is_answered_well())?.last.map(|(at, _)| at)
    }

    /// The code of its refusal.
    pub fn refused(&self) -> Option<u16> {
        self.invite()?.last.map(|(_, code)| code).filter(|code| *code >= 300)
    }

    /// When it ended: at the answer to a BYE, or at a refusal. A received BYE counts even if unanswered: SIPp aborts
    /// a call at a 481 that crosses it.
    pub fn ended(&self) -> Option<Micros> {
        let byes = || self.exchanges.iter().filter(|e| e.method == "BYE");
        let answered = byes().find_map(|bye| bye.last).map(|(at, _)| at);
        let told = || byes().find(|bye| !bye.is_sent).map(|bye| bye.at);
        let refused = || self.invite()?.last.filter(|(_, code)| *code >= 300).map(|(at, _)| at);
        answered.or_else(told).or_else(refused)
    }

    /// Whether the phone has the other side on hold at that time: every second re-INVITE resumes.
    pub fn holds(&self, at: Micros) -> bool {
        let changes = self.exchanges.iter().filter(|e| e.method == "INVITE" && e.is_sent && e.is_answered_well());
        changes.filter(|e| e.last.is_some_and(|(done, _)| done <= at)).count() % 2 == 1
    }

    /// Requests of either side that started after `at` and were answered with 2xx.
    pub fn exchanges_after(&self, at: Micros) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.at > at && exchange.is_answered_well()).count()
    }
}

/// One line of SIPp's short trace: date, time, seconds, direction, Call-ID, CSeq, first line.
fn line(text: &str) -> Option<(Micros, bool, &str, u32, &str, &str)> {
    let mut fields = text.split('\t');
    let seconds = fields.nth(2)?;
    let (whole, part) = seconds.split_once('.')?;
    let at = whole.parse::<Micros>().ok()? * 1_000_000 + part.parse::<Micros>().ok()?;
    let is_sent = fields.next()? == "S";
    let call = fields.next()?;
    let (number, method) = fields.next()?.strip_prefix("CSeq:")?.trim().split_once(' ')?;
    Some((at, is_sent, call, number.parse().ok()?, method.trim(), fields.next()?.trim()))
}

/// Call and owner in a tag.
fn tag(text: &str, seal: &Seal) -> Option<(String, String)> {
    let tag = LocalTag::decode(text, seal)?;
    Some((tag.call.to_string(), tag.owner.to_string()))
}

/// What the programs of one run have written.
#[derive(Clone, Copy)]
pub struct SippTexts<'a> {
    /// The short trace of all messages.
    pub messages: &'a str,
    /// What the scenario has logged.
    pub notes: &'a str,
    /// What went wrong.
    pub errors: &'a str,
}

/// Parses the traces of one run; `seal` opens the tags of our nodes.
pub fn read(side: Side, kind: Kind, written: SippTexts<'_>, seal: &Seal) -> Vec<Leg> {
    let SippTexts { messages, notes, errors } = written;
    let mut order = Vec::new();
    let mut legs: BTreeMap<String, Leg> = BTreeMap::new();
    for (at, is_sent, call, cseq, method, first) in messages.lines().filter_map(line) {
        let leg = legs.entry(call.to_owned()).or_insert_with(|| {
            order.push(call.to_owned());
            new_leg(side, kind, call)
        });
        take(leg, at, is_sent, cseq, (method, first));
        // A node's Contact has the edge's address.
        if let Some(edge) = place_asked(first).filter(|_| is_sent) {
            edge.clone_into(&mut leg.edge);
        }
        if is_sent && leg.connid.is_empty() {
            (leg.connid, leg.owner) = tag(user_asked(first), seal).unwrap_or_default();
        }
    }
    let noted: HashMap<&str, Noted> = notes.lines().filter_map(|line| note(line, seal)).collect();
    for (call, why) in failures(errors) {
        if let Some(leg) = legs.get_mut(call) {
            let line = why.lines().next().unwrap_or_default();
            leg.failure.get_or_insert_with(|| line.chars().take(WHY_MAX).collect());
        }
    }
    for leg in legs.values_mut() {
        let Some(noted) = noted.get(leg.id.as_str()) else { continue };
        if leg.connid.is_empty() {
            (leg.connid, leg.owner) = (noted.connid.clone(), noted.owner.clone());
        }
        if leg.edge.is_empty() {
            leg.edge = noted.edge.clone();
        }
    }
    order.into_iter().filter_map(|call| legs.remove(&call)).collect()
}

fn new_leg(side: Side, kind: Kind, call: &str) -> Leg {
    Leg {
        side,
        kind,
        id: call.to_owned(),
        number: String::new(),
        connid: String::new(),
        owner: String::new(),
        edge: String::new(),
        ears: None,
        exchanges: Vec::new(),
        acknowledged: None,
        failure: None,
    }
}

/// Where the Request-URI in a first line leads, as `host:port`; none for a response.
fn place_asked(first: &str) -> Option<&str> {
    let uri = first.split(' ').nth(1)?.strip_prefix("sip:")?;
    let place = uri.split(';').next()?;
    Some(place.rsplit_once('@').map_or(place, |(_, place)| place))
}

/// The user part of the Request-URI in a first line; empty for a response.
fn user_asked(first: &str) -> &str {
    let uri = first.split(' ').nth(1).and_then(|uri| uri.strip_prefix("sip:")).unwrap_or_default();
    uri.split('@').next().unwrap_or_default()
}

fn take(leg: &mut Leg, at: Micros, is_sent: bool, cseq: u32, (method, first): (&str, &str)) {
    if let Some(answer) = first.strip_prefix("SIP/2.0 ") {
        let code: u16 = answer.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or_default();
        let of = |e: &&mut Exchange| e.cseq == cseq && e.method == method && e.is_sent != is_sent;
        if let Some(exchange) = leg.exchanges.iter_mut().find(of) {
            if code < 200 {
                exchange.provisional.get_or_insert(at);
            } else {
                exchange.last.get_or_insert((at, code));
            }
        }
        return;
    }
    if leg.number.is_empty() {
        leg.number = user_asked(first).to_owned();
    }
    if method == "ACK" {
        leg.acknowledged.get_or_insert(at);
        return;
    }
    let is_known = leg.exchanges.iter().any(|e| e.cseq == cseq && e.method == method && e.is_sent == is_sent);
    if !is_known {
        let method = method.to_owned();
        leg.exchanges.push(Exchange { at, is_sent, method, cseq, provisional: None, last: None });
    }
}

/// What a phone's scenario has noted of a call.
struct Noted {
    connid: String,
    owner: String,
    edge: String,
}

/// A log line of the scenario: Call-ID, the header From, whose tag names the call, and the Via of who has brought it.
fn note<'a>(text: &'a str, seal: &Seal) -> Option<(&'a str, Noted)> {
    let (call, rest) = text.split_once(' ')?;
    let (from, via) = rest.split_once(" by SIP/2.0/").unwrap_or((rest, ""));
    let (connid, owner) = tag(from.split(";tag=").nth(1)?.split([';', ' ', '\t']).next()?, seal)?;
    let edge = via.split_whitespace().nth(1).and_then(|sent_by| sent_by.split(';').next()).unwrap_or_default();
    Some((call, Noted { connid, owner, edge: edge.to_owned() }))
}

/// Each call that SIPp aborted, and why. SIPp's errors do not always end with a line break.
fn failures(errors: &str) -> Vec<(&str, &str)> {
    const GIVES_UP: &str = "Aborting call";
    let starts: Vec<usize> = errors.match_indices(GIVES_UP).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([errors.len()]);
    let texts = starts.iter().zip(ends).map(|(start, end)| &errors[*start..end]);
    texts.filter_map(|text| Some((call_of(text.lines().next()?)?, text))).collect()
}

fn call_of(text: &str) -> Option<&str> {
    let from = text.find("Call-I").map(|at| at + "Call-Id '".len())?;
    text.get(from..)?.split(['\'', ',', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
2026-11-20\t18:24:56.726428\t1795199096.726428\tS\t1-1@127.60.250.1\tCSeq:1 INVITE\tINVITE sip:+15550103@127.60.0.1:5060 SIP/2.0
2026-11-20\t18:24:56.731743\t1795199096.731743\tR\t1-1@127.60.250.1\tCSeq:1 INVITE\tSIP/2.0 200 OK
2026-11-20\t18:24:56.731907\t1795199096.731907\tS\t1-1@127.60.250.1\tCSeq:1 ACK\tACK sip:TAG@127.60.0.1:5060 SIP/2.0
2026-11-20\t18:24:57.739118\t1795199097.739118\tS\t1-1@127.60.250.1\tCSeq:2 INVITE\tINVITE sip:TAG@127.60.0.1:5060 SIP/2.0
2026-11-20\t18:24:57.742482\t1795199097.742482\tR\t1-1@127.60.250.1\tCSeq:2 INVITE\tSIP/2.0 200 OK
2026-11-20\t18:25:00.758145\t1795199100.758145\tR\t1-1@127.60.250.1\tCSeq:5 BYE\tBYE sip:+15559001@127.60.250.1:5060 SIP/2.0
2026-11-20\t18:25:00.759206\t1795199100.759206\tS\t1-1@127.60.250.1\tCSeq:5 BYE\tSIP/2.0 200 OK
";

    fn seal() -> Seal {
        Seal::new(&[7; 32])
    }

    fn sealed(owner: &str) -> String {
        let (call, leg) = ("194de6b7cb010000".parse().unwrap(), model::LegId(2));
        let (tenant, owner) = (model::TenantId::parse("example").unwrap(), owner.parse().unwrap());
        LocalTag { call, leg, tenant, owner }.encode(&seal())
    }

    fn legs_of(side: Side, messages: &str, notes: &str, errors: &str) -> Vec<Leg> {
        let messages = &messages.replace("TAG", &sealed("sip-cluster-2.1795199008254"));
        read(side, Kind::Hold, SippTexts { messages, notes, errors }, &seal())
    }

    #[test]
    fn a_short_trace_tells_a_calls_life() {
        let legs = legs_of(Side::Caller, TRACE, "", "");
        let [leg] = &legs[..] else { panic!("{legs:?}") };
        assert_eq!((leg.number.as_str(), leg.connid.as_str()), ("+15550103", "194de6b7cb010000"));
        assert_eq!(leg.owner, "sip-cluster-2.1795199008254");
        let (answered, ended) = (leg.answered().unwrap(), leg.ended().unwrap());
        assert!(answered < ended && leg.heard_of() == Some(answered) && leg.acknowledged > Some(answered));
        assert_eq!(leg.exchanges_after(answered), 2);
    }

    #[test]
    fn a_phones_call_is_known_by_the_tag_that_it_has_noted() {
        let trace = TRACE.lines().take(1).map(|line| line.replace("\tS\t", "\tR\t")).collect::<String>();
        let note = format!("1-1@127.60.250.1  \"Ann\" <sip:+15559001@x>;tag={}", sealed("sip-cluster-1.7"));
        let legs = legs_of(Side::Phone, &trace, &note, "");
        assert_eq!((legs[0].connid.as_str(), legs[0].owner.as_str()), ("194de6b7cb010000", "sip-cluster-1.7"));
        assert_eq!(legs[0].edge, "", "it does not tell");
        let by = format!("{note} by SIP/2.0/UDP 127.60.0.2:5060;branch=z9hG4bKtk1;rport");
        let legs = legs_of(Side::Phone, &trace, &by, "");
        assert_eq!((legs[0].connid.as_str(), legs[0].edge.as_str()), ("194de6b7cb010000", "127.60.0.2:5060"));
    }

    #[test]
    fn a_leg_goes_by_the_proxy_to_which_it_sends_its_requests() {
        assert_eq!(legs_of(Side::Caller, TRACE, "", "")[0].edge, "127.60.0.1:5060");
        // What comes names the phone's own address.
        let bye = TRACE.lines().nth(5).unwrap();
        assert_eq!(legs_of(Side::Phone, bye, "", "")[0].edge, "");
        assert_eq!(place_asked("INVITE sip:127.60.0.1:5060;lr SIP/2.0"), Some("127.60.0.1:5060"));
    }

    #[test]
    fn what_sipp_gives_up_is_a_failure() {
        let errors = "2026-11-20\t18:25:00.7\t1795199100.7: Aborting call on unexpected message for Call-Id '1-1@127.60.250.1': while expecting '200'";
        assert!(legs_of(Side::Caller, TRACE, "", errors)[0].failure.is_some());
        let other = "Automatic response for call: 1-1@127.60.250.12026-11-20: Aborting call on UDP retransmission timeout for Call-ID '2-1@x'2026";
        assert!(legs_of(Side::Caller, TRACE, "", other)[0].failure.is_none());
        assert_eq!(failures(other)[0].0, "2-1@x");
    }
}
