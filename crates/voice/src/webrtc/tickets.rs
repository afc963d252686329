//! Tickets: whose the phone is that opens a WebSocket, and whether the sign-in and the right to the phone behind it still stand.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::browser_phone_ticket::{self, BOUND_TO, BrowserPhoneTicket, SEALED_BYTES_MAX};
use model::Timestamp;
use runtime::RoleContext;
use runtime::installation_key::InstallationKey;
use runtime::token::{Believed, Claims, TokenVerifier};
use tokio::sync::watch;

use super::gateway::{FlowHolder, TicketRights};

/// What names a ticket in the query, and the key by which ingress has chosen this replica.
const PARAMETER: &str = "ticket";
const FLOW: &str = "flow";

/// Tickets of this replica that are remembered until they are over: more than there are WebSockets.
const SPENT_MAX: usize = 16_384;

/// What a WebSocket has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShownTicket {
    /// No ticket: its phone has a password.
    None,
    /// One that is not good: forged, over, shown before or beside another key than its own, or of a sign-in that was revoked.
    Bad,
    /// One that is good.
    Good(FlowHolder, Box<TicketRights>),
}

/// What does not stand any more of what a ticket came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedTicket {
    /// The sign-in was revoked.
    SignIn,
    /// The desktop has the DN no more.
    Phone,
}

/// Opens tickets.
pub(super) struct TicketReader {
    key: InstallationKey,
    tokens: TokenVerifier,
    /// Whether something was revoked since it was looked at.
    believed: watch::Receiver<Believed>,
    spent: SpentTickets,
}

impl TicketReader {
    pub(super) fn new(ctx: &RoleContext) -> Self {
        let (tokens, believed) = (ctx.tokens.clone(), ctx.tokens.believed());
        Self { key: ctx.installation_key.clone(), tokens, believed, spent: SpentTickets::default() }
    }

    /// What the query of an opening shows. A ticket is good once, at the replica to which its own key leads.
    pub(super) fn read(&mut self, query: &str, now: Timestamp) -> ShownTicket {
        // As ingress reads it: the first of a name counts.
        let first = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let Some(text) = first(PARAMETER) else { return ShownTicket::None };
        match self.opened(text, now).filter(|ticket| first(FLOW) == Some(ticket.flow.as_str())) {
            Some(ticket) => {
                let (rights, until) = (rights_of(&ticket), ticket.until);
                let BrowserPhoneTicket { tenant, dn, subject, sign_in, device, .. } = ticket;
                let holder = FlowHolder { tenant, dn, subject, sign_in, device };
                let is_good = self.ended(&rights).is_none() && self.spent.spend(text, until, now);
                if is_good { ShownTicket::Good(holder, rights) } else { ShownTicket::Bad }
            }
            None => ShownTicket::Bad,
        }
    }

    fn opened(&self, text: &str, now: Timestamp) -> Option<BrowserPhoneTicket> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok().filter(|sealed| sealed.len() <= SEALED_BYTES_MAX)?;
        let ticket = BrowserPhoneTicket::from_bytes(&runtime::sealed::open(&self.key, BOUND_TO, &sealed)?)?;
        ticket.is_good_at(now).then_some(ticket)
    }

    /// What of them does not stand any more, if anything.
    pub(super) fn ended(&self, rights: &TicketRights) -> Option<EndedTicket> {
        if self.tokens.is_revoked(&rights.sign_in) {
            return Some(EndedTicket::SignIn);
        }
        self.tokens.is_revoked(&rights.phone).then_some(EndedTicket::Phone)
    }

    /// Whether something may have been revoked since this was asked last.
    pub(super) fn has_news(&mut self) -> bool {
        // Without a sender nothing is revoked any more.
        let has_news = self.believed.has_changed().unwrap_or_default();
        self.believed.mark_unchanged();
        has_news
    }
}

/// By what a ticket's flow ends.
fn rights_of(ticket: &BrowserPhoneTicket) -> Box<TicketRights> {
    let of_tenant = Claims { tenant: ticket.tenant.as_str().to_owned(), ..Claims::default() };
    Box::new(TicketRights {
        sign_in: Claims {
            sub: ticket.subject.clone(),
            sid: ticket.sign_in.clone(),
            jti: ticket.token_id.clone(),
            iat: Some(ticket.issued_at),
            ..of_tenant.clone()
        },
        phone: Claims {
            sub: browser_phone_ticket::right_subject(&ticket.right),
            iat: Some(ticket.given_at_s()),
            ..of_tenant
        },
    })
}

/// Tickets that were shown here: whoever reads one later, in the log of a web server in between, has nothing of it. Another replica does not
/// know of it; ingress leads there only while this one takes no WebSocket.
#[derive(Debug, Default)]
struct SpentTickets {
    seed: RandomState,
    known: HashSet<u64>,
    /// The same, each until when it would be good, in the order in which they were shown.
    until: VecDeque<(Timestamp, u64)>,
}

impl SpentTickets {
    /// Whether a ticket is shown for the first time.
    fn spend(&mut self, text: &str, until: Timestamp, now: Timestamp) -> bool {
        while let Some((over, eldest)) = self.until.front().copied()
            && (over < now || self.until.len() >= SPENT_MAX)
        {
            self.until.pop_front();
            self.known.remove(&eldest);
        }
        // One text alone decodes to a ticket.
        let ticket = self.seed.hash_one(text);
        let is_new = self.known.insert(ticket);
        if is_new {
            self.until.push_back((until, ticket));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use infra::SystemClock;
    use model::{Dn, TenantId};
    use runtime::token::{Believed, Revocation, RevokedSet};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key(byte: u8) -> InstallationKey {
        InstallationKey::from_bytes([byte; 32])
    }

    fn reader(revoked: &[Revocation]) -> TicketReader {
        let believed = Believed { revoked: RevokedSet::restored(revoked.iter().cloned()), ..Believed::default() };
        let (_, believed) = watch::channel(believed);
        let tokens = TokenVerifier::new(believed.clone(), &[], Arc::new(SystemClock::start()));
        TicketReader { key: key(1), tokens, believed, spent: SpentTickets::default() }
    }

    fn query(sealed_by: u8, until: Timestamp) -> String {
        let ticket = BrowserPhoneTicket {
            tenant: TenantId::parse("acme").unwrap(),
            dn: Dn::parse("7101").unwrap(),
            subject: "person/ann".to_owned(),
            sign_in: Some("s".to_owned()),
            token_id: Some("t".to_owned()),
            device: "tab".to_owned(),
            right: "desk".to_owned(),
            flow: "1".to_owned(),
            issued_at: 1_600_000_000,
            until,
        };
        let sealed = runtime::sealed::seal(&key(sealed_by), BOUND_TO, ticket.to_bytes()).unwrap();
        format!("flow=1&ticket={}", URL_SAFE_NO_PAD.encode(sealed))
    }

    #[test]
    fn a_ticket_is_good_for_its_time_and_by_our_key_alone() {
        let until = NOW + Duration::from_secs(60);
        let ShownTicket::Good(holder, rights) = reader(&[]).read(&query(1, until), NOW) else { panic!("it is good") };
        let issued_at = rights.sign_in.iat;
        assert_eq!((holder.dn.as_str(), holder.device.as_str(), issued_at), ("7101", "tab", Some(1_600_000_000)));
        assert_eq!(reader(&[]).read(&query(2, until), NOW), ShownTicket::Bad);
        assert_eq!(reader(&[]).read(&query(1, until), until + Duration::from_millis(1)), ShownTicket::Bad);
        for bad in ["ticket=", "ticket=AAAA", "ticket=%00"] {
            assert_eq!(reader(&[]).read(bad, NOW), ShownTicket::Bad, "{bad}");
        }
        for none in ["", "flow=1", "tickets=AAAA"] {
            assert_eq!(reader(&[]).read(none, NOW), ShownTicket::None, "{none}");
        }
    }

    #[test]
    fn a_ticket_is_good_once() {
        let mut reader = reader(&[]);
        let until = NOW + Duration::from_secs(60);
        let [first, second] = [query(1, until), query(1, until)];
        assert!(matches!(reader.read(&first, NOW), ShownTicket::Good(..)));
        assert_eq!(reader.read(&first, until), ShownTicket::Bad);
        assert!(matches!(reader.read(&second, until), ShownTicket::Good(..)), "another one of the same page");
    }

    /// By another key ingress would choose another replica, which does not know that the ticket was used.
    #[test]
    fn a_ticket_is_good_beside_its_own_key_alone() {
        let mut reader = reader(&[]);
        let until = NOW + Duration::from_secs(60);
        let good = query(1, until);
        let ticket = good.split_once('&').unwrap().1;
        for bad in [ticket.to_owned(), format!("flow=2&{ticket}"), format!("flow=2&{good}"), format!("{ticket}&flow=")]
        {
            assert_eq!(reader.read(&bad, NOW), ShownTicket::Bad, "{bad}");
        }
        assert!(matches!(reader.read(&good, NOW), ShownTicket::Good(..)), "it was not used yet");
    }

    #[test]
    fn tickets_that_are_over_are_forgotten_and_those_that_are_remembered_bounded() {
        let mut spent = SpentTickets::default();
        let until = NOW + Duration::from_secs(60);
        assert!((0..SPENT_MAX + 10).all(|n| spent.spend(&n.to_string(), until, NOW)));
        assert_eq!((spent.known.len(), spent.until.len()), (SPENT_MAX, SPENT_MAX));
        assert!(!spent.spend("100", until, NOW));
        let later = until + Duration::from_millis(1);
        assert!(spent.spend("x", later, later));
        assert_eq!((spent.known.len(), spent.until.len()), (1, 1));
    }

    #[test]
    fn with_the_right_to_a_phone_what_was_given_before_ends_and_nothing_later() {
        let ended = |before: u64| Revocation {
            tenant: "acme".to_owned(),
            id: browser_phone_ticket::right_subject("desk"),
            issued_before: Some(before),
            until: 1_800_000_000,
        };
        let until = NOW + Duration::from_secs(60);
        let given_at = NOW.as_secs();
        let ShownTicket::Good(_, rights) = reader(&[]).read(&query(1, until), NOW) else { panic!("it is good") };
        assert_eq!(reader(&[ended(given_at + 1)]).ended(&rights), Some(EndedTicket::Phone));
        assert_eq!(reader(&[ended(given_at + 1)]).read(&query(1, until), NOW), ShownTicket::Bad);
        assert_eq!(reader(&[ended(given_at)]).ended(&rights), None, "the agent has come back to the DN");
    }

    #[test]
    fn flows_are_looked_at_where_something_was_revoked() {
        let mut reader = reader(&[]);
        let (tell, believed) = watch::channel(Believed::default());
        reader.believed = believed;
        assert!(!reader.has_news());
        tell.send_modify(|_| {});
        assert!(reader.has_news() && !reader.has_news());
    }

    #[test]
    fn a_ticket_of_a_sign_in_that_was_revoked_is_not_good() {
        for id in ["s", "t", "person/ann"] {
            let revoked = Revocation {
                tenant: "acme".to_owned(),
                id: id.to_owned(),
                issued_before: (id == "person/ann").then_some(1_650_000_000),
                until: 1_800_000_000,
            };
            let until = NOW + Duration::from_secs(60);
            assert_eq!(reader(&[revoked]).read(&query(1, until), NOW), ShownTicket::Bad, "{id}");
        }
    }
}
