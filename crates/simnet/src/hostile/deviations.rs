//! The deviations of headers, as a table. Each says whether the message stays valid by the grammars.

use std::fmt::Write as _;

use super::body_deviations;
use super::deviation::{Deviation, For};
use super::dice::Dice;
use super::draft::{Draft, Validity};
use super::place::Place;

impl Deviation {
    /// All deviations.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        HEADERS.iter().chain(body_deviations::BODIES)
    }

    /// Draws one that fits the message.
    pub fn draw(draft: &Draft, valid_only: bool, dice: &mut Dice) -> Option<&'static Self> {
        let fits = |it: &&Self| it.fits(draft) && (!valid_only || it.validity == Validity::Kept);
        let fitting: Vec<&Self> = Self::all().filter(fits).collect();
        fitting.get(dice.below(fitting.len().max(1))).copied()
    }

    /// The deviation with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|it| it.name == name)
    }
}

impl Draft {
    /// Applies `times` deviations; with `valid_only`, only those that keep it valid.
    pub fn deviate(&mut self, times: usize, valid_only: bool, dice: &mut Dice, place: &Place) {
        for _ in 0..times {
            let Some(deviation) = Deviation::draw(self, valid_only, dice) else { continue };
            deviation.apply(self, dice, place);
        }
    }
}

/// A list of `of` addresses, separated by commas.
fn list(of: usize, mut one: impl FnMut(usize) -> String) -> String {
    (0..of).map(&mut one).collect::<Vec<_>>().join(", ")
}

/// The message is sent in Latin-1, which is not UTF-8 (RFC 3261 §25.1): older phones and trunks do this.
pub(super) const LATIN_1: &str = "Latin-1";

/// Lengths of headers around the limits of a line and of a head.
const LONG: [usize; 5] = [255, 1_024, 4_096, 16_000, 40_000];

const HEADERS: &[Deviation] = &[
    // === session timers (RFC 4028) ===
    Deviation::kept("a session that is over at once, and UPDATE without timer", For::Timers, |draft, dice, _| {
        draft.set("Session-Expires", dice.pick(&["0", "1", "2", "3", "7", "89"]));
        draft.set("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE");
        draft.remove("Supported");
    }),
    Deviation::kept("Session-Expires", For::Timers, |draft, dice, _| {
        let who = dice.pick(&["", ";refresher=uac", ";refresher=uas", ";refresher=both", ";x=1"]);
        let interval = dice.digits();
        draft.set("Session-Expires", format!("{interval}{who}"));
        if dice.percent(50) {
            draft.set("Supported", dice.pick(&["timer", "timer, 100rel", "100rel, replaces"]));
        }
    }),
    Deviation::lost("Session-Expires of no number", For::Timers, |draft, dice, _| {
        draft.set("Session-Expires", dice.any_number());
    }),
    Deviation::kept("Min-SE", For::Timers, |draft, dice, _| draft.set("Min-SE", dice.digits())),
    Deviation::kept("who refreshes and how", For::Timers, |draft, dice, _| {
        draft.set("Supported", dice.pick(&["timer", "", "100rel", "timer, timer, timer"]));
        draft.set("Allow", dice.pick(&["UPDATE", "", "INVITE", "INVITE, UPDATE, PRACK", "FOO"]));
        if dice.percent(30) {
            draft.set("Require", "timer");
        }
    }),
    // === numbers ===
    Deviation::kept("Expires", For::All, |draft, dice, _| draft.set("Expires", dice.digits())),
    Deviation::kept("Retry-After", For::All, |draft, dice, _| {
        let tail =
            dice.pick(&["", " (never)", ";duration=0", ";duration=4294967296", " (x);duration=18446744073709551616"]);
        let after = dice.digits();
        draft.set("Retry-After", format!("{after}{tail}"));
    }),
    Deviation::kept("Min-Expires", For::All, |draft, dice, _| draft.set("Min-Expires", dice.modest())),
    Deviation::kept("a CSeq that jumps", For::Requests, |draft, dice, _| cseq(draft, dice.modest())),
    Deviation::lost("a CSeq beyond 31 bits", For::All, |draft, dice, _| cseq(draft, dice.any_number())),
    Deviation::lost("a CSeq of another method", For::All, |draft, dice, _| {
        let number = draft.get("CSeq").and_then(|it| it.split(' ').next()).unwrap_or("1").to_owned();
        let method = dice.pick(&["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "FOO", ""]);
        draft.set("CSeq", format!("{number} {method}"));
    }),
    Deviation::kept("RSeq", For::Responses, |draft, dice, _| {
        draft.set("RSeq", dice.digits());
        draft.set("Require", "100rel");
    }),
    Deviation::kept("RAck", For::Requests, |draft, dice, _| {
        let (response, cseq) = (dice.digits(), dice.modest());
        draft.set("RAck", format!("{response} {cseq} INVITE"));
    }),
    Deviation::kept("Max-Forwards", For::Requests, |draft, dice, _| {
        draft.set("Max-Forwards", dice.pick(&["0", "1", "2", "69", "255"]));
    }),
    Deviation::lost("Max-Forwards beyond 255", For::Requests, |draft, dice, _| {
        draft.set("Max-Forwards", dice.any_number());
    }),
    Deviation::lost("Content-Length", For::All, |draft, dice, _| draft.length = Some(dice.any_number().to_owned())),
    Deviation::kept("Timestamp", For::All, |draft, dice, _| {
        let (at, delay) = (dice.digits(), dice.digits());
        draft.set("Timestamp", format!("{at}.{at} {delay}.0"));
    }),
    Deviation::kept("Warning", For::Responses, |draft, dice, _| {
        let text = dice.word_of(&LONG[..3]);
        draft.set("Warning", format!("{} {} \"{text}\"", dice.pick(&["000", "300", "399", "999"]), "h"));
    }),
    Deviation::kept("Reason", For::All, |draft, dice, _| {
        let cause = dice.digits();
        draft.set("Reason", format!("SIP;cause={cause};text=\"x\", Q.850;cause={cause}, {};cause=1", dice.word(16)));
    }),
    // === source and destination ===
    Deviation::kept("Via ports, ttl, rport and maddr", For::Requests, |draft, dice, place| {
        let via = draft.get("Via").unwrap_or_default().to_owned();
        let host = place.sent_by.split(':').next().unwrap_or("host.invalid");
        let port = dice.pick(&["0", "1", "5060", "65535"]);
        let ttl = dice.pick(&["0", "1", "255"]);
        let branch = via.split(";branch=").nth(1).and_then(|it| it.split(';').next()).unwrap_or("z9hG4bK");
        let tail = dice.pick(&["", ";rport", ";received=192.0.2.99", ";maddr=192.0.2.98", ";rport;x=\"y;z\""]);
        draft.set("Via", format!("SIP/2.0/UDP {host}:{port};ttl={ttl};branch={branch}{tail}"));
    }),
    Deviation::lost("Via with numbers out of range", For::Requests, |draft, dice, place| {
        let via = draft.get("Via").unwrap_or_default().to_owned();
        let (port, ttl) = (dice.any_number(), dice.any_number());
        draft.set("Via", format!("{via};rport={port};ttl={ttl};received={}", place.edge));
    }),
    Deviation::kept("many Vias", For::Requests, |draft, dice, _| {
        for _ in 0..dice.length() {
            let token = dice.token();
            draft.push("Via", format!("SIP/2.0/TCP a.invalid:1;branch=z9hG4bK{token};received=192.0.2.1;rport=1"));
        }
    }),
    Deviation::kept("a Contact with boundary values", For::All, |draft, dice, place| {
        let (q, expires) = (dice.pick(&["0", "0.000", "0.999", "1", "1.000"]), dice.digits());
        draft.set("Contact", format!("<sip:x@{}>;q={q};expires={expires};+sip.instance=\"<urn:x>\"", place.sent_by));
    }),
    Deviation::kept("a Contact somewhere else", For::All, |draft, dice, place| {
        let edge = &place.edge;
        let to = [
            "sip:a.invalid".to_owned(),
            "sip:[2001:db8::1]:5060;transport=tcp".to_owned(),
            "sip:x@0.0.0.0:0".to_owned(),
            "sip:255.255.255.255:65535".to_owned(),
            "tel:+49301".to_owned(),
            "sips:x@a.invalid;maddr=239.0.0.1;ttl=255".to_owned(),
            format!("sip:{edge}"),
            format!("sip:9000@{edge}"),
            format!("sip:9000@{edge}?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%3Csip:{edge}%3E"),
            "sip:conf=1@media.trunkline.invalid".to_owned(),
            "sip:x@sip-cluster.trunkline.invalid".to_owned(),
        ];
        draft.set("Contact", format!("<{}>", to[dice.below(to.len())]));
    }),
    Deviation::kept("a long Contact", For::All, |draft, dice, place| {
        let word = dice.word_of(&LONG);
        draft.set("Contact", format!("<sip:{word}@{}>", place.sent_by));
    }),
    Deviation::kept("many Contacts", For::All, |draft, dice, place| {
        let many = dice.length();
        draft.set("Contact", list(many, |at| format!("<sip:{at}@{}>;expires={at}", place.sent_by)));
    }),
    Deviation::lost("no Contact, or a star", For::All, |draft, dice, _| match dice.below(2) {
        0 => draft.remove("Contact"),
        _ => draft.set("Contact", "*"),
    }),
    Deviation::kept("many Record-Routes", For::All, |draft, dice, _| {
        let (many, word) = (dice.length(), dice.word_of(&[10, 40, 160]));
        let line = list(many.min(60), |at| format!("<sip:{word}{at}@h{at}.invalid;lr>"));
        draft.push("Record-Route", line);
    }),
    Deviation::kept("a Record-Route that leads back", For::All, |draft, dice, place| {
        let edge = &place.edge;
        let lr = dice.pick(&[";lr", "", ";lr=on", ";transport=tcp;lr"]);
        draft.push("Record-Route", list(1 + dice.below(20), |_| format!("<sip:{edge}{lr}>")));
    }),
    Deviation::kept("Routes of its own", For::Requests, |draft, dice, place| {
        let edge = &place.edge;
        let many = dice.length().min(70);
        let line = match dice.below(3) {
            0 => list(many, |_| format!("<sip:{edge};lr>")),
            1 => list(many, |at| format!("<sip:h{at}.invalid;lr>")),
            _ => format!("<sip:x@{edge}>, <sip:00@{edge};lr>"),
        };
        draft.push("Route", line);
    }),
    Deviation::kept("Path", For::All, |draft, dice, place| {
        let edge = &place.edge;
        draft.push("Path", list(dice.length().min(70), |at| format!("<sip:{at}@{edge};lr>")));
    }),
    Deviation::kept("From with a name", For::Requests, |draft, dice, _| {
        let name = ["\\\"\\\\", "\u{202e}ännä\u{1F4DE}", &"n".repeat(LONG[dice.below(4)])][dice.below(3)].to_owned();
        let from = draft.get("From").unwrap_or_default();
        draft.set("From", format!("\"{name}\" {from}"));
    }),
    Deviation::lost("no tag, or two", For::All, |draft, dice, _| {
        let name = dice.pick(&["From", "To"]);
        let value = draft.get(name).unwrap_or_default().to_owned();
        let bare = value.split(";tag=").next().unwrap_or_default().to_owned();
        draft.set(name, [bare.clone(), format!("{bare};tag=1;tag=2"), format!("{bare};tag=")][dice.below(3)].clone());
    }),
    // === lists and references ===
    Deviation::kept("what it supports and allows", For::All, |draft, dice, _| {
        let many = dice.length();
        draft.set("Supported", list(many, |at| format!("x{at}")));
        draft.set("Allow", list(many, |at| ["INVITE", "UPDATE", "FOO", "PRACK"][at % 4].to_owned()));
        draft.set("Accept", dice.pick(&["", "*/*", "application/sdp;level=1;q=0.0", "text/*;q=1.000, a/b"]));
    }),
    Deviation::kept("what it requires", For::All, |draft, dice, _| {
        let name = dice.pick(&["Require", "Proxy-Require", "Unsupported"]);
        draft
            .set(name, dice.pick(&["100rel", "timer", "replaces", "x-unknown", "100rel, timer, path, outbound, gruu"]));
    }),
    Deviation::kept("a reference to another dialog", For::Requests, |draft, dice, _| {
        let name = dice.pick(&["Replaces", "Join", "Target-Dialog", "In-Reply-To"]);
        let (call, to, from) = (dice.word(40), dice.digits(), dice.digits());
        draft.set(name, format!("{call}@x;to-tag={to};from-tag={from};early-only"));
    }),
    Deviation::kept("Refer-To and Referred-By", For::Requests, |draft, dice, place| {
        let edge = &place.edge;
        let method = dice.pick(&["", ";method=BYE", ";method=INVITE", "?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc"]);
        draft.set("Refer-To", format!("<sip:9000@{edge}{method}>"));
        draft.set("Referred-By", "<sip:x@y.invalid>;cid=\"1@2\"");
    }),
    Deviation::kept("Event and Subscription-State", For::All, |draft, dice, _| {
        let (expires, retry) = (dice.digits(), dice.digits());
        draft.set("Event", dice.pick(&["talk", "hold", "refer;id=4294967296", "dialog;x=y", "presence"]));
        draft.set("Subscription-State", format!("active;expires={expires};retry-after={retry}"));
    }),
    Deviation::kept("who has been before it", For::Requests, |draft, dice, _| {
        let many = dice.length().min(60);
        draft.set("History-Info", list(many, |at| format!("<sip:{at}@h.invalid>;index=1.{at}.4294967296")));
        draft
            .set("Diversion", list(many, |at| format!("<sip:{at}@h.invalid>;counter={at};limit=18446744073709551616")));
        draft.set("P-Asserted-Identity", dice.pick(&["<sip:@a.invalid>", "tel:+1, <sip:7100@x>", "\"\" <sip:x>"]));
        draft.set("Privacy", "id;header;session;critical");
    }),
    Deviation::kept("credentials of nobody", For::Requests, |draft, dice, _| {
        let nc = dice.pick(&["00000000", "ffffffff", "00000001"]);
        let value = format!(
            "Digest username=\"7100\", realm=\"t1\", nonce=\"{}\", uri=\"sip:x\", response=\"{}\", qop=auth, nc={nc}, cnonce=\"\"",
            dice.word(64),
            "0".repeat(32)
        );
        draft.push(dice.pick(&["Authorization", "Proxy-Authorization"]), value);
    }),
    Deviation::kept("a challenge", For::Responses, |draft, dice, _| {
        for _ in 0..dice.length().min(16) {
            let name = dice.pick(&["WWW-Authenticate", "Proxy-Authenticate"]);
            draft.push(
                name,
                format!("Digest realm=\"{}\", nonce=\"1\", stale=true, qop=\"auth,auth-int\"", dice.word(8)),
            );
        }
    }),
    // === internal headers of nodes and proxies ===
    Deviation::kept("what is not its to say", For::All, |draft, dice, _| {
        let name = dice.pick(&[
            "Trunkline-Tenant",
            "Trunkline-Source",
            "Trunkline-Owner",
            "Trunkline-Unreachable",
            "Trunkline-Node",
            "Trunkline-Live",
            "Trunkline-Edge",
            "Trunkline-Token",
        ]);
        draft.push(
            name,
            dice.pick(&["t1", "phone;dn=7100", "sip-cluster-1.1", "sip-cluster;node=sip-cluster-1;epoch=1"]),
        );
    }),
    // === the text itself ===
    Deviation::kept("a long header", For::All, |draft, dice, _| {
        let word = dice.word_of(&LONG[..4]);
        draft.push(dice.pick(&["X-Long", "Subject", "User-Agent", "Call-Info", "Server"]), word);
    }),
    Deviation::lost(LATIN_1, For::All, |draft, dice, _| {
        let odd = "\u{e9}".repeat([1, 300, 4_000, 9_000, 12_000][dice.below(5)]);
        match dice.pick(&["Via", "From", "To", "Subject"]) {
            "Via" => {
                let value = draft.get("Via").map(|via| format!("{via};x={odd}"));
                value.into_iter().for_each(|value| draft.set("Via", value));
            }
            "Subject" => draft.push("Subject", odd),
            name => {
                let value =
                    draft.get(name).filter(|value| value.starts_with('<')).map(|value| format!("\"{odd}\" {value}"));
                value.into_iter().for_each(|value| draft.set(name, value));
            }
        }
    }),
    Deviation::kept("many headers", For::All, |draft, dice, _| {
        for at in 0..dice.length() {
            draft.push("X-Many", at.to_string());
        }
    }),
    Deviation::lost("more headers than anybody reads", For::All, |draft, dice, _| {
        for at in 0..[250, 256, 300, 2_000][dice.below(4)] {
            draft.push("X-Many", at.to_string());
        }
    }),
    Deviation::kept("folded, short and spaced", For::All, |draft, dice, _| {
        for (name, value) in &mut draft.headers {
            let short =
                [("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Contact", "m"), ("Via", "v"), ("Supported", "k")];
            if let Some((_, one)) = short.iter().find(|(long, _)| long.eq_ignore_ascii_case(name)) {
                if dice.percent(50) {
                    (*one).clone_into(name);
                }
            } else if dice.percent(30) {
                *name = name.to_uppercase() + " ";
            }
            if dice.percent(20) {
                *value = format!("\r\n \t{value}\r\n ");
            }
        }
    }),
    Deviation::lost("a header twice that stands once", For::All, |draft, dice, _| {
        let name = dice.pick(&["CSeq", "From", "To", "Call-ID", "Max-Forwards", "Content-Type", "Session-Expires"]);
        if let Some(value) = draft.get(name).map(str::to_owned) {
            draft.push(name, if dice.percent(50) { value } else { dice.word(5) });
        }
    }),
    Deviation::lost("a header is missing", For::All, |draft, dice, _| {
        draft.remove(dice.pick(&["CSeq", "From", "To", "Call-ID", "Max-Forwards", "Via", "Content-Type"]));
    }),
    Deviation::lost("a header without sense", For::All, |draft, dice, _| {
        let name = dice.pick(&["Contact", "Record-Route", "Route", "Via", "From", "To", "Session-Expires", "RSeq"]);
        draft.set(name, dice.pick(&["", "<", "<sip:>", ";", ",,,", "<sip:x@y;lr>,", "\"", "sip:x;=;=", "\u{0}"]));
    }),
    Deviation::lost("a start line without sense", For::All, |draft, dice, _| {
        let number = dice.any_number();
        draft.start = match draft.is_request() {
            true => format!("INVITE sip:x@y:{number} SIP/2.0"),
            false => format!("SIP/2.0 {number} x"),
        };
    }),
    Deviation::kept("a URI with everything", For::Requests, |draft, dice, place| {
        let method = draft.start.split(' ').next().unwrap_or("OPTIONS").to_owned();
        if draft.get("To").is_some_and(|to| !to.contains(";tag=")) {
            let mut uri =
                format!("sip:{}", dice.pick(&["9000", "7100", "%39000", "9000;x=y", "+49%2030", "*21", "a:b"]));
            let _ = write!(uri, "@{};user=phone;ttl=255;method=INVITE;lr;x=%22", place.edge);
            draft.start = format!("{method} {uri} SIP/2.0");
        }
    }),
];

/// Replaces the number of the CSeq and keeps its method.
fn cseq(draft: &mut Draft, number: &str) {
    let method = draft.get("CSeq").and_then(|it| it.split(' ').nth(1)).unwrap_or_default().to_owned();
    draft.set("CSeq", format!("{number} {method}"));
}
