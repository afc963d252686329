//! Who a call was diverted by on its way, and why: Diversion (RFC 5806) and History-Info (RFC 7044), as RFC 7544 maps one to the other.
//!
//! Both are read into one list, and written from it, so that a call keeps its way whatever the next carrier reads.

mod history;

use crate::header::{HeaderName, NameAddr};
use crate::message::Message;
use crate::uri::escape::{escape_user, unescape};
use crate::uri::{Scheme, Uri};

/// The most diversions of a call, those counted without an entry included: one more is a loop. As many as carriers take.
pub const DIVERSIONS_MAX: u32 = 10;
/// The longest number of an entry, in bytes; an entry with a longer one is left out.
const DIVERTED_NUMBER_MAX: usize = 64;

/// Why a number did not take a call (RFC 5806 §4 `diversion-reason`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DiversionReason {
    /// It is not known, or a word that is not.
    #[default]
    Unknown,
    /// It was busy.
    UserBusy,
    /// Nobody answered.
    NoAnswer,
    /// It could not be reached.
    Unavailable,
    /// All calls go on.
    Unconditional,
    /// At this time of day calls go on.
    TimeOfDay,
    /// It does not want to be disturbed.
    DoNotDisturb,
    /// The person sent it on.
    Deflection,
    /// It goes where the person is.
    FollowMe,
    /// It is out of order.
    OutOfService,
    /// The person is away.
    Away,
}

impl DiversionReason {
    const ALL: [(Self, &str, u16); 11] = [
        (Self::Unknown, "unknown", 404),
        (Self::UserBusy, "user-busy", 486),
        (Self::NoAnswer, "no-answer", 408),
        (Self::Unavailable, "unavailable", 503),
        (Self::Unconditional, "unconditional", 302),
        (Self::TimeOfDay, "time-of-day", 404),
        (Self::DoNotDisturb, "do-not-disturb", 404),
        (Self::Deflection, "deflection", 480),
        (Self::FollowMe, "follow-me", 404),
        (Self::OutOfService, "out-of-service", 404),
        (Self::Away, "away", 404),
    ];

    /// The word of Diversion.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(reason, ..)| *reason == self).map_or("unknown", |(_, word, _)| word)
    }

    /// The reason of a word; one that is not known counts as unknown.
    pub fn parse(word: &str) -> Self {
        let found = Self::ALL.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word));
        found.map(|(reason, ..)| *reason).unwrap_or_default()
    }

    /// The `cause` of History-Info (RFC 4458, RFC 7544 §5).
    fn cause(self) -> u16 {
        Self::ALL.iter().find(|(reason, ..)| *reason == self).map_or(404, |(.., cause)| *cause)
    }

    fn of_cause(cause: u16) -> Self {
        match cause {
            302 => Self::Unconditional,
            486 => Self::UserBusy,
            408 => Self::NoAnswer,
            480 | 487 => Self::Deflection,
            503 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

/// A number that did not take a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diversion {
    /// The number, without escapes.
    pub number: String,
    /// Why it did not.
    pub reason: DiversionReason,
    /// For how many diversions the entry stands; at least 1.
    pub counter: u32,
    /// Whether it is to be shown to nobody who is called (`privacy`, RFC 5806; Privacy `history`, RFC 7044 §10.1).
    pub is_private: bool,
}

/// The diversions of a call, the oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diversions {
    /// At most [`DIVERSIONS_MAX`].
    pub entries: Vec<Diversion>,
    /// Whether the caller wants nobody to be told of them (Privacy `history`, RFC 7044 §10.1.1).
    pub hidden: bool,
}

impl Diversions {
    /// Those of an INVITE: of Diversion if it is there, since many carriers send both with the same content, else of History-Info.
    pub fn read(message: &Message) -> Self {
        let mut entries: Vec<Diversion> = message
            .addresses(HeaderName::Diversion)
            .filter_map(Result::ok)
            .filter_map(|address| diverted(&address))
            .collect();
        // RFC 5806 §4: the last one to divert is the first in the list.
        entries.reverse();
        if entries.is_empty() {
            entries = history::read(message);
        }
        let hides = |value: &str| {
            value
                .split(';')
                .any(|word| ["history", "header"].iter().any(|hidden| word.trim().eq_ignore_ascii_case(hidden)))
        };
        let hidden = message.headers(&HeaderName::Privacy).any(hides);
        Self { entries: bounded(entries), hidden }
    }

    /// Adds one; a number that diverts twice in a row has one entry that counts both.
    pub fn push(&mut self, number: &str, reason: DiversionReason) {
        match self.entries.last_mut().filter(|last| last.number == number) {
            Some(last) => (last.reason, last.counter) = (reason, last.counter.saturating_add(1)),
            None => {
                let entry = Diversion { number: number.to_owned(), reason, counter: 1, is_private: false };
                self.entries.push(entry);
            }
        }
    }

    /// How often the call was diverted.
    pub fn count(&self) -> u32 {
        self.entries.iter().fold(0, |count, entry| count.saturating_add(entry.counter))
    }

    /// The values of Diversion, in the order of their lines; `host` stands behind the numbers.
    pub fn diversion_values(&self, host: &str) -> Vec<String> {
        let value = |entry: &Diversion| {
            let (number, reason) = (escape_user(&entry.number), entry.reason.as_str());
            let privacy = if entry.is_private { "full" } else { "off" };
            format!("<sip:{number}@{host}>;reason={reason};counter={};privacy={privacy}", entry.counter)
        };
        self.entries.iter().rev().map(value).collect()
    }

    /// The value of History-Info; `called` is the number to which the call goes now. None without a diversion.
    pub fn history_value(&self, called: &str, host: &str) -> Option<String> {
        (!self.entries.is_empty()).then(|| history::write(&self.entries, called, host))
    }
}

fn diverted(address: &NameAddr<'_>) -> Option<Diversion> {
    let params = address.params();
    let reason = params.find("reason").map(|reason| DiversionReason::parse(&reason.unquoted())).unwrap_or_default();
    let counter = params.find("counter").map_or(1, |counter| counter.unquoted().parse().unwrap_or(1));
    let privacy = params.find("privacy").map(|privacy| privacy.unquoted().into_owned());
    Some(Diversion {
        number: number(&address.uri().ok()?)?,
        reason,
        counter: counter.clamp(1, DIVERSIONS_MAX),
        is_private: privacy.is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off")),
    })
}

/// The number of an address; none if it names a host alone.
fn number(uri: &Uri<'_>) -> Option<String> {
    let tel = || (uri.scheme() == Scheme::Tel).then(|| uri.opaque().split(';').next()).flatten();
    let user = uri.user().and_then(|user| user.split(';').next()).filter(|user| !user.is_empty());
    let number = unescape(user.or_else(tel)?).into_owned();
    (number.len() <= DIVERTED_NUMBER_MAX && !number.chars().any(char::is_control)).then_some(number)
}

/// The last entries, of which the first stands for those that were left out.
fn bounded(mut entries: Vec<Diversion>) -> Vec<Diversion> {
    let surplus = entries.len().saturating_sub(DIVERSIONS_MAX as usize);
    let left_out = entries.drain(..surplus).fold(0_u32, |count, entry| count.saturating_add(entry.counter));
    if let Some(first) = entries.first_mut() {
        first.counter = first.counter.saturating_add(left_out);
    }
    entries
}

#[cfg(test)]
mod tests;
