//! The deviations of bodies, as a table.

use super::deviation::{Deviation, For};
use super::dice::Dice;
use super::draft::Draft;

/// Replaces the first line with this beginning.
fn line(draft: &mut Draft, begins: &str, with: &str) {
    let mut done = false;
    let lines = draft.body.split_inclusive("\r\n").map(|old| {
        if !done && old.starts_with(begins) {
            done = true;
            format!("{with}\r\n")
        } else {
            old.to_owned()
        }
    });
    draft.body = lines.collect();
}

fn add(draft: &mut Draft, text: &str) {
    draft.body.push_str(text);
    draft.body.push_str("\r\n");
}

/// Adds an attribute with a number to a description.
fn attribute(draft: &mut Draft, name: &str, dice: &mut Dice) {
    let number = dice.any_number();
    add(draft, &format!("a={name}:{number}"));
}

pub(super) const BODIES: &[Deviation] = &[
    Deviation::kept("another port", For::Sessions, |draft, dice, _| {
        let port = dice.pick(&["0", "1", "9", "5060", "65534", "65535"]);
        line(draft, "m=audio", &format!("m=audio {port} RTP/AVP 0 8 101"));
    }),
    Deviation::lost("a port out of range", For::Sessions, |draft, dice, _| {
        let (port, count) = (dice.any_number(), dice.any_number());
        line(draft, "m=audio", &format!("m=audio {port}/{count} RTP/AVP 0"));
    }),
    Deviation::kept("another address", For::Sessions, |draft, dice, _| {
        let address = dice.pick(&[
            "IN IP4 0.0.0.0",
            "IN IP4 239.1.2.3/127",
            "IN IP4 239.1.2.3/255/3",
            "IN IP4 255.255.255.255",
            "IN IP4 127.0.0.1",
            "IN IP4 169.254.169.254",
            "IN IP6 ::",
            "IN IP6 ::1",
            "IN IP6 ff02::1",
            "IN IP4 phone.invalid",
            "TN RFC2543 +1",
        ]);
        line(draft, "c=", &format!("c={address}"));
    }),
    Deviation::kept("ptime and maxptime", For::Sessions, |draft, dice, _| {
        attribute(draft, "ptime", dice);
        attribute(draft, "maxptime", dice);
        attribute(draft, "rtcp", dice);
    }),
    Deviation::kept("payload types", For::Sessions, |draft, dice, _| {
        let (one, rate, channels) = (dice.any_number(), dice.any_number(), dice.any_number());
        line(draft, "m=audio", &format!("m=audio 4000 RTP/AVP 0 {one} 96 96 127 128"));
        add(draft, &format!("a=rtpmap:{one} telephone-event/{rate}/{channels}"));
        add(draft, &format!("a=rtpmap:96 PCMA/{rate}\r\na=fmtp:96 0-{one},{rate}\r\na=fmtp:101 0-4294967295"));
    }),
    Deviation::kept("many payload types", For::Sessions, |draft, dice, _| {
        let types: Vec<String> = (0..dice.length()).map(|at| (at % 128).to_string()).collect();
        line(draft, "m=audio", &format!("m=audio 4000 RTP/AVP {}", types.join(" ")));
    }),
    Deviation::kept("many media", For::Sessions, |draft, dice, _| {
        let many = dice.length();
        let kind = dice.pick(&["audio 0 RTP/AVP 0", "video 5000 RTP/AVP 31", "audio 4002 RTP/SAVPF 0", "x 1 y z"]);
        (0..many).for_each(|_| add(draft, &format!("m={kind}")));
    }),
    Deviation::kept("origin and version", For::Sessions, |draft, dice, _| {
        let (id, version) = (dice.digits(), dice.digits());
        line(draft, "o=", &format!("o=- {id} {version} IN IP4 192.0.2.9"));
    }),
    Deviation::kept("times", For::Sessions, |draft, dice, _| {
        let (from, to) = (dice.digits(), dice.digits());
        line(draft, "t=", &format!("t={from} {to}\r\nr={from} {to} 0 1d\r\nz={from} -1h"));
    }),
    Deviation::kept("bandwidth and direction", For::Sessions, |draft, dice, _| {
        let number = dice.any_number();
        line(draft, "s=", &format!("s=-\r\nb=AS:{number}"));
        add(draft, dice.pick(&["a=inactive", "a=sendonly", "a=recvonly", "a=sendrecv\r\na=inactive", "a=sendrecv:1"]));
    }),
    Deviation::kept("many attributes", For::Sessions, |draft, dice, _| {
        (0..dice.length()).for_each(|at| add(draft, &format!("a=x{at}:{}", "y".repeat(at))));
        add(
            draft,
            "a=candidate:1 1 UDP 4294967296 192.0.2.9 65536 typ host\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        );
    }),
    Deviation::lost("a line without sense", For::Sessions, |draft, dice, _| {
        let with = dice.pick(&["v=1", "m=", "m=audio", "a=", "o=- 1", "c=IN", "\u{0}", "=", "t="]);
        line(draft, dice.pick(&["v=", "o=", "s=", "c=", "t=", "m="]), with);
    }),
    Deviation::lost("half a description", For::Sessions, |draft, dice, _| {
        let keep = dice.below(draft.body.len());
        draft.body.truncate(keep);
    }),
    Deviation::kept("another body", For::All, |draft, dice, _| {
        let kind = dice.pick(&[
            "multipart/mixed;boundary=b",
            "text/plain",
            "application/sdp;x=y",
            "message/sipfrag;version=2.0",
        ]);
        draft.set("Content-Type", kind);
        draft.body = match dice.below(4) {
            0 => format!("--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b--\r\n", draft.body),
            1 => "--b\r\n\r\n".repeat(dice.length()),
            2 => dice.word_of(&[1, 1_000, 30_000, 60_000]),
            _ => draft.body.clone(),
        };
    }),
    Deviation::kept("how a body is to be read", For::All, |draft, dice, _| {
        draft.set("Content-Encoding", dice.pick(&["identity", "gzip", "", "x, y, z"]));
        draft.set(
            "Content-Disposition",
            dice.pick(&["session;handling=required", "render", "early-session;handling=optional"]),
        );
        draft.set("MIME-Version", dice.digits());
    }),
];
