//! Message bodies of parties.

use super::dice::Dice;
use super::place::Place;

/// The content type of a session description.
pub const SDP: &str = "application/sdp";

/// The description of a normal phone.
pub fn session(place: &Place, version: u64, held: bool) -> String {
    let host = place.sent_by.split(':').next().unwrap_or("192.0.2.9");
    let direction = if held { "a=sendonly\r\n" } else { "" };
    let port = place.audio_port;
    format!(
        "v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n{direction}"
    )
}

/// The body of an INFO, with its type: keys with boundary values, MSML that a phone must not send, and unknown types.
pub fn info(dice: &mut Dice) -> (&'static str, String) {
    let number = dice.any_number();
    match dice.below(8) {
        0 => {
            let signal = dice.pick(&["1", "#", "*", "D", "16", "!", "12", "", "\u{0}"]);
            ("application/dtmf-relay", format!("Signal={signal}\r\nDuration={number}\r\n"))
        }
        1 => ("application/dtmf-relay", format!("Duration={number}\r\nSignal= 5 \r\nSignal=6\r\n")),
        2 => ("application/dtmf", dice.pick(&["5", "*", "", "12345678901234567890", " 5\r\n", "x"]).to_owned()),
        3 => ("application/dtmf-relay", "Signal=5\r\n".repeat([1, 100, 3_000][dice.below(3)])),
        4 => ("application/msml+xml", msml(dice)),
        5 => ("application/media_control+xml", "<media_control/>".to_owned()),
        6 => ("application/dtmf-relay", dice.word_of(&[1_000, 8_000, 32_000, 32_768, 32_769, 60_000])),
        _ => ("text/plain", dice.word_of(&[0, 1, 255, 32_000, 60_000])),
    }
}

/// MSML with boundary values (RFC 5707).
fn msml(dice: &mut Dice) -> String {
    let (one, other) = (dice.any_number(), dice.any_number());
    let inner = match dice.below(6) {
        0 => format!(
            "<event name=\"msml.dialog.exit\" id=\"conn:x/dialog:t{one}\"><name>dtmf.digits</name><value>{other}</value></event>"
        ),
        1 => format!("<result response=\"{one}\"/>"),
        2 => format!(
            "<dialogstart target=\"conn:x\" name=\"t{one}\" type=\"application/moml+xml\"><play iterations=\"{other}\" \
             interval=\"{one}ms\" maxtime=\"{other}s\"><audio uri=\"prompt:ready\"/></play></dialogstart>"
        ),
        3 => format!(
            "<dialogstart target=\"conn:x\" type=\"application/moml+xml\"><dtmf fdt=\"{one}s\" idt=\"{other}ms\" \
             edt=\"{one}\" starttimer=\"true\"><pattern digits=\"min={one};max={other};rtk=#\" format=\"moml+digits\"/>\
             </dtmf></dialogstart>"
        ),
        4 => "<join id1=\"conn:a\" id2=\"conn:b\"/>".repeat(dice.length()),
        _ => "<x>".repeat([1, 100, 4_000][dice.below(3)]),
    };
    format!("<?xml version=\"1.0\"?><msml version=\"1.1\">{inner}</msml>")
}
