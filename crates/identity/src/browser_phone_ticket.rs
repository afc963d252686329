//! The ticket by which a page opens its phone's WebSocket: whose it is, and for which DN. Nobody reads or makes one outside: whoever
//! issues it seals it with the installation's key.

use std::time::Duration;

use model::{Dn, TenantId, Timestamp};
use serde_json::{Value, json};

/// How long a ticket opens a WebSocket.
pub const TICKET_LIFE: Duration = Duration::from_secs(60);
/// What the sealed text is bound to: it is no other sealed text of the installation.
pub const BOUND_TO: &[u8] = b"browser phone ticket";
/// The longest sealed text that is opened, in bytes.
pub const SEALED_BYTES_MAX: usize = 2_048;

/// By what auth is asked to end a right to a phone (`token_type_hint`, RFC 7009 section 2.1).
pub const RIGHT_HINT: &str = "browser_phone";
/// The longest name of such a right, in bytes.
pub const RIGHT_BYTES_MAX: usize = 64;
/// How long every role remembers that a right has ended: a ticket that was given before is over by then, and where it was used that is seen
/// within seconds.
pub const ENDED_RIGHT_KEPT: Duration = Duration::from_secs(300);
/// Among what was revoked of a tenant, what rights to phones begin with: no sign-in, token or person does.
const RIGHTS: &str = "browser-phone/";

/// As what a right to a phone is revoked.
pub fn right_subject(right: &str) -> String {
    format!("{RIGHTS}{right}")
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserPhoneTicket {
    /// The tenant.
    pub tenant: TenantId,
    /// The phone.
    pub dn: Dn,
    /// The subject of the person, as in a token.
    pub subject: String,
    /// The sign-in (`sid`), by which it is revoked.
    pub sign_in: Option<String>,
    /// The token (`jti`) by which the sign-in was shown, by which it may be revoked, too.
    pub token_id: Option<String>,
    /// What the page calls itself: it keeps that while it is loaded again, and another page of the same session has another.
    pub device: String,
    /// The right that it comes from: a session of the desktop that has the DN. Empty in a ticket of the release before.
    pub right: String,
    /// What stands beside it in the URL, by which the edge chooses a replica: with another one it would be shown to a replica that does not
    /// know that it was used.
    pub flow: String,
    /// When the token of the sign-in was issued, in seconds since the Unix epoch.
    pub issued_at: u64,
    /// Until when it opens a WebSocket.
    pub until: Timestamp,
}

impl BrowserPhoneTicket {
    /// As it is sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { tenant, dn, subject, sign_in, token_id, device, right, flow, issued_at, until } = self;
        let said = json!({
            "tenant": tenant.as_str(), "dn": dn.as_str(), "sub": subject, "sid": sign_in, "jti": token_id,
            "device": device, "right": right, "flow": flow, "iat": issued_at, "until": until.as_millis(),
        });
        said.to_string().into_bytes()
    }

    /// What was sealed; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let said: Value = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| said.get(name)?.as_str();
        Some(Self {
            tenant: TenantId::parse(text("tenant")?).ok()?,
            dn: Dn::parse(text("dn")?).ok()?,
            subject: text("sub")?.to_owned(),
            sign_in: text("sid").map(str::to_owned),
            token_id: text("jti").map(str::to_owned),
            device: text("device")?.to_owned(),
            right: text("right").unwrap_or_default().to_owned(),
            flow: text("flow")?.to_owned(),
            issued_at: said.get("iat")?.as_u64()?,
            until: Timestamp::from_millis(said.get("until")?.as_u64()?),
        })
    }

    /// When it was given, in seconds since the Unix epoch.
    pub fn given_at_s(&self) -> u64 {
        (self.until - TICKET_LIFE).as_secs()
    }

    /// Whether it opens a WebSocket now. The clocks of two machines may differ, but not by more than it lasts.
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        now <= self.until && self.until.since(now) <= 2 * TICKET_LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(sign_in: Option<&str>) -> BrowserPhoneTicket {
        BrowserPhoneTicket {
            tenant: TenantId::parse("acme").unwrap(),
            dn: Dn::parse("7101").unwrap(),
            subject: "person/ann".to_owned(),
            sign_in: sign_in.map(str::to_owned),
            token_id: sign_in.map(|_| "t".to_owned()),
            device: "tab".to_owned(),
            right: "r".to_owned(),
            flow: "7".to_owned(),
            issued_at: 1_700_000_000,
            until: Timestamp::from_millis(1_700_000_060_000),
        }
    }

    #[test]
    fn a_ticket_is_read_as_it_was_written_and_nothing_else_is_one() {
        for of in [ticket(Some("s")), ticket(None)] {
            assert_eq!(BrowserPhoneTicket::from_bytes(&of.to_bytes()), Some(of));
        }
        for other in ["", "{}", "[]", "{\"tenant\":\"acme\",\"dn\":\"7101\"}", "\u{0}"] {
            assert_eq!(BrowserPhoneTicket::from_bytes(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_ticket_of_the_release_before_is_read_and_says_when_it_was_given() {
        let without = String::from_utf8(ticket(None).to_bytes()).unwrap().replace("\"right\":\"r\",", "");
        let read = BrowserPhoneTicket::from_bytes(without.as_bytes()).unwrap();
        assert_eq!((read.right.as_str(), read.given_at_s()), ("", 1_700_000_000));
    }

    #[test]
    fn a_ticket_is_good_for_a_minute() {
        let at = |millis: u64| Timestamp::from_millis(1_700_000_000_000 + millis);
        let of = ticket(None);
        assert!(of.is_good_at(at(0)) && of.is_good_at(at(60_000)));
        assert!(!of.is_good_at(at(60_001)) && !of.is_good_at(at(0) - 2 * TICKET_LIFE));
    }
}
