//! Evaluates the audio of each leg: its source, its loss, and the meaning of both.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use runtime::trace::entry::{Audio, Figures, What};

use super::document::{Leg, Severity, Stream, ms};
use super::sip::{LegNames, leg_of_media};

/// A shorter leg is not evaluated, in milliseconds.
const JUDGED_FROM_MS: f64 = 1_500.0;
/// A longer silence before the end is more than the last packets of a phone that hangs up, in milliseconds.
const STOPPED_MS: f64 = 2_500.0;
/// Audible loss, and disturbing loss, in percent.
const LOSS_HEARD: f64 = 1.0;
const LOSS_BAD: f64 = 5.0;
/// Jitter that a phone's buffer may not compensate, in milliseconds.
const JITTER_BAD_MS: f64 = 40.0;

/// Everything that media has recorded of one leg.
#[derive(Default)]
struct Recorded {
    node: String,
    agreed: Option<u64>,
    audio: Option<Audio>,
    held: bool,
    learned: Option<String>,
    figures: Option<Figures>,
}

/// The legs of a call, in order; `ended` gives the end of a leg's dialog, and `signalling` the source of its SIP.
pub(super) fn legs(
    entries: &[(String, u64, &What)],
    names: &LegNames,
    ended: impl Fn(u16) -> Option<f64>,
    signalling: impl Fn(u16) -> Option<String>,
    now: f64,
) -> Vec<Leg> {
    let mut recorded: BTreeMap<(String, u64), Recorded> = BTreeMap::new();
    for (node, at, what) in entries {
        let leg = match what {
            What::Audio(audio) => audio.leg,
            What::Learned { leg, .. } => *leg,
            What::Figures(figures) => figures.leg,
            _ => continue,
        };
        let of_leg = recorded.entry((node.clone(), leg)).or_default();
        of_leg.node.clone_from(node);
        of_leg.take(*at, what);
    }
    let mut legs: Vec<Leg> = recorded
        .into_values()
        .filter(|of_leg| of_leg.audio.is_some())
        .map(|of_leg| {
            let number = of_leg.audio.as_ref().and_then(|audio| leg_of_media(&audio.call_id)).unwrap_or_default();
            let mut leg = of_leg.leg(number, names);
            leg.ended_at = ended(number);
            leg.signalling = signalling(number);
            judge(&mut leg, of_leg.held, now);
            leg
        })
        .collect();
    legs.sort_by_key(|leg| leg.leg);
    legs
}

impl Recorded {
    fn take(&mut self, at: u64, what: &What) {
        match what {
            What::Audio(audio) => {
                self.agreed.get_or_insert(at);
                self.held |= audio.direction != "sendrecv" || audio.offered.is_none();
                self.audio = Some(audio.clone());
            }
            What::Learned { from, .. } => self.learned = Some(from.clone()),
            What::Figures(figures) => match &self.figures {
                // The last figures count.
                Some(known) if known.ended && !figures.ended => {}
                _ => self.figures = Some((**figures).clone()),
            },
            _ => {}
        }
    }

    fn leg(&self, number: u16, names: &LegNames) -> Leg {
        let (party, caller) = names.get(&number).cloned().unwrap_or_default();
        let mut leg = Leg {
            leg: number,
            party,
            caller,
            node: self.node.clone(),
            learned: self.learned.clone(),
            agreed_at: self.agreed.map(ms),
            ..Leg::default()
        };
        if let Some(audio) = &self.audio {
            leg.local.clone_from(&audio.local);
            leg.offered.clone_from(&audio.offered);
            leg.codec.clone_from(&audio.codec);
            leg.direction.clone_from(&audio.direction);
        }
        if let Some(figures) = &self.figures {
            measure(&mut leg, figures);
        }
        leg
    }
}

fn measure(leg: &mut Leg, figures: &Figures) {
    leg.measured = true;
    leg.learned = figures.learned.clone().or_else(|| leg.learned.clone());
    leg.first_packet_at = figures.first.map(ms);
    leg.last_packet_at = figures.last.filter(|_| figures.received > 0).map(ms);
    leg.strangers = figures.strangers;
    leg.invalid = figures.invalid;
    leg.round_trip_ms = figures.round_trip_us.map(ms);
    let delay = leg.round_trip_ms.unwrap_or_default() / 2.0;
    if figures.received > 0 {
        let lost = figures.lost.max(0);
        leg.from_phone = stream(figures.received, Some(lost), Some(ms(figures.jitter_us)), delay);
    }
    leg.to_phone = if figures.reported {
        stream(figures.sent, Some(figures.remote_lost.max(0)), Some(ms(figures.remote_jitter_us)), delay)
    } else {
        stream(figures.sent, None, None, delay)
    };
    if !figures.reported || figures.sent == 0 {
        leg.to_phone.mos = None;
    }
}

fn stream(packets: u64, lost: Option<i64>, jitter_ms: Option<f64>, delay_ms: f64) -> Stream {
    // Packets lost on the way to the phone are among those sent; packets lost on the way to us are not among those
    // received.
    let all = packets as f64 + lost.unwrap_or_default() as f64;
    let loss_percent = lost.map(|lost| if all > 0.0 { lost as f64 * 100.0 / all } else { 0.0 });
    let mos = loss_percent.map(|loss| mos(loss, delay_ms, jitter_ms.unwrap_or_default()));
    let round = |value: f64| (value * 100.0).round() / 100.0;
    Stream {
        packets,
        lost,
        loss_percent: loss_percent.map(round),
        jitter_ms: jitter_ms.map(round),
        mos: mos.map(round),
    }
}

/// The mean opinion score of G.711 with that loss (percent), one-way delay and jitter, by the E-model: ITU-T G.107 with the
/// equipment figures of G.113 appendix I (Ie 0, Bpl 25.1: a phone that conceals lost packets).
///
/// The delay gets 20 ms for a packet and twice the jitter for the phone's buffer.
pub fn mos(loss_percent: f64, delay_ms: f64, jitter_ms: f64) -> f64 {
    const DEFAULT_R: f64 = 93.2;
    const BPL: f64 = 25.1;
    const PACKET_MS: f64 = 20.0;
    let delay = delay_ms + PACKET_MS + 2.0 * jitter_ms;
    let late = if delay > 177.3 { 0.11 * (delay - 177.3) } else { 0.0 };
    let loss = 95.0 * loss_percent / (loss_percent + BPL);
    let r = (DEFAULT_R - 0.024 * delay - late - loss).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6).clamp(1.0, 4.5)
}

fn judge(leg: &mut Leg, held: bool, now: f64) {
    let (severity, text) = verdict(leg, held, now);
    leg.severity = Some(severity);
    leg.verdict = text;
}

fn verdict(leg: &Leg, held: bool, now: f64) -> (Severity, String) {
    let phone = whose(leg);
    let until = leg.ended_at.unwrap_or(now);
    let lasted = leg.agreed_at.map_or(0.0, |agreed| until - agreed);
    if !leg.measured {
        return (Severity::Info, "media has reported no figures of this leg".to_owned());
    }
    if leg.from_phone.packets == 0 {
        if leg.direction == "sendonly" || leg.direction == "inactive" {
            return (Severity::Info, format!("{phone} asked not to send"));
        }
        if lasted < JUDGED_FROM_MS {
            return (Severity::Info, format!("the leg lasted {}: too short to judge its audio", seconds(lasted)));
        }
        return (Severity::Fault, silent(leg, &phone));
    }
    if let (Some(first), Some(last)) = (leg.first_packet_at, leg.last_packet_at)
        && until - last > STOPPED_MS
        && !held
    {
        let heard = seconds((last - first).max(0.0));
        let before = match leg.ended_at {
            Some(_) => format!("{} before the leg ended", seconds(until - last)),
            None => format!("{} ago", seconds(until - last)),
        };
        return (Severity::Fault, format!("audio of {phone} arrived for {heard} and then stopped, {before}"));
    }
    if leg.to_phone.packets == 0 && lasted >= JUDGED_FROM_MS {
        let text = format!("nothing was sent to {phone}: there was nothing to play and the other party sent nothing");
        return (Severity::Fault, text);
    }
    quality(leg, &phone)
}

/// Evaluates audio that went both ways.
fn quality(leg: &Leg, phone: &str) -> (Severity, String) {
    let mut words = Vec::new();
    let mut severity = Severity::Info;
    let ways = [(&leg.from_phone, format!("from {phone}")), (&leg.to_phone, format!("to {phone}"))];
    for (stream, way) in &ways {
        let loss = stream.loss_percent.unwrap_or_default();
        if loss >= LOSS_HEARD {
            severity = severity.min(if loss >= LOSS_BAD { Severity::Fault } else { Severity::Warning });
            words.push(format!("{loss:.1} % of the packets {way} got lost"));
        }
        let jitter = stream.jitter_ms.unwrap_or_default();
        if jitter >= JITTER_BAD_MS {
            severity = severity.min(Severity::Warning);
            words.push(format!("packets {way} come unevenly (jitter {jitter:.0} ms)"));
        }
    }
    if words.is_empty() {
        words.push("audio passed both ways".to_owned());
    }
    if let Some(text) = behind_nat(leg, phone) {
        words.push(text);
    }
    (severity, words.join("; "))
}

/// The text for a leg without any packet.
fn silent(leg: &Leg, phone: &str) -> String {
    let strangers = match leg.strangers + leg.invalid {
        0 => String::new(),
        count => format!(" ({count} packets came that are no audio of this call)"),
    };
    let Some(offered) = &leg.offered else {
        return format!("{phone} named no address for its audio, and no packet ever arrived{strangers}");
    };
    if names_private(leg) {
        let from = leg.signalling.as_deref().unwrap_or("another address");
        return format!(
            "{phone} names the private address {offered} while its signalling comes from {from}, and no packet ever \
             arrived: it is behind a NAT, and the NAT or a firewall lets no audio out{strangers}"
        );
    }
    format!(
        "no packet ever arrived from {phone}'s address {offered}: its firewall or NAT drops it, or it sends \
         nothing{strangers}"
    )
}

fn behind_nat(leg: &Leg, phone: &str) -> Option<String> {
    let (offered, learned) = (leg.offered.as_ref()?, leg.learned.as_ref()?);
    if offered == learned {
        return None;
    }
    let kind = if names_private(leg) { "the private address" } else { "the address" };
    Some(format!(
        "{phone} names {kind} {offered}, and its audio comes from {learned}: a NAT or another interface is between, and audio goes back to where \
         it comes from"
    ))
}

/// Whether the phone advertises an address that cannot be reached from the network of its signalling.
fn names_private(leg: &Leg) -> bool {
    let ip = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<SocketAddr>().ok()).map(|at| at.ip());
    let Some(offered) = ip(&leg.offered) else { return false };
    is_private(offered) && ip(&leg.signalling) != Some(offered)
}

/// RFC 1918, RFC 6598, RFC 3927, and unique local addresses.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// "the caller", or "the phone of 7001".
pub(super) fn whose(leg: &Leg) -> String {
    match (leg.caller, leg.party.as_str()) {
        (true, _) => "the caller".to_owned(),
        (false, "") => "the phone".to_owned(),
        (false, party) => format!("the phone of {party}"),
    }
}

/// A duration as text, from milliseconds.
pub(super) fn seconds(ms: f64) -> String {
    match ms / 1_000.0 {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        s => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

#[cfg(test)]
mod tests;
