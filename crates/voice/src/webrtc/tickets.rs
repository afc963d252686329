//! Tickets: whose the phone is that opens a WebSocket, and whether the sign-in behind it still stands.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::browser_phone_ticket::{BOUND_TO, BrowserPhoneTicket, SEALED_BYTES_MAX};
use model::Timestamp;
use runtime::RoleContext;
use runtime::installation_key::InstallationKey;
use runtime::token::{Claims, TokenVerifier};

use super::gateway::FlowHolder;

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
    /// One that is good, with the token of its sign-in.
    Good(FlowHolder, TokenOfSignIn),
}

/// The token by which a sign-in was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenOfSignIn {
    /// When it was issued, in seconds since the Unix epoch.
    issued_at: u64,
    /// Its id (`jti`).
    id: Option<String>,
}

/// Opens tickets.
pub(super) struct TicketReader {
    key: InstallationKey,
    tokens: TokenVerifier,
    spent: SpentTickets,
}

impl TicketReader {
    pub(super) fn new(ctx: &RoleContext) -> Self {
        Self { key: ctx.installation_key.clone(), tokens: ctx.tokens.clone(), spent: SpentTickets::default() }
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
                let BrowserPhoneTicket { tenant, dn, subject, sign_in, token_id, device, issued_at, until, .. } =
                    ticket;
                let token = TokenOfSignIn { issued_at, id: token_id };
                let holder = FlowHolder { tenant, dn, subject, sign_in, device };
                let is_good = !self.is_revoked(&holder, &token) && self.spent.spend(text, until, now);
                if is_good { ShownTicket::Good(holder, token) } else { ShownTicket::Bad }
            }
            None => ShownTicket::Bad,
        }
    }

    fn opened(&self, text: &str, now: Timestamp) -> Option<BrowserPhoneTicket> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok().filter(|sealed| sealed.len() <= SEALED_BYTES_MAX)?;
        let ticket = BrowserPhoneTicket::from_bytes(&runtime::sealed::open(&self.key, BOUND_TO, &sealed)?)?;
        ticket.is_good_at(now).then_some(ticket)
    }

    /// Whether the sign-in was revoked.
    pub(super) fn is_revoked(&self, holder: &FlowHolder, token: &TokenOfSignIn) -> bool {
        self.tokens.is_revoked(&Claims {
            tenant: holder.tenant.as_str().to_owned(),
            sub: holder.subject.clone(),
            sid: holder.sign_in.clone(),
            jti: token.id.clone(),
            iat: Some(token.issued_at),
            ..Claims::default()
        })
    }
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
        let (_, believed) = tokio::sync::watch::channel(believed);
        let tokens = TokenVerifier::new(believed, &[], Arc::new(SystemClock::start()));
        TicketReader { key: key(1), tokens, spent: SpentTickets::default() }
    }

    fn query(sealed_by: u8, until: Timestamp) -> String {
        let ticket = BrowserPhoneTicket {
            tenant: TenantId::parse("acme").unwrap(),
            dn: Dn::parse("7101").unwrap(),
            subject: "person/ann".to_owned(),
            sign_in: Some("s".to_owned()),
            token_id: Some("t".to_owned()),
            device: "tab".to_owned(),
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
        let ShownTicket::Good(holder, token) = reader(&[]).read(&query(1, until), NOW) else { panic!("it is good") };
        assert_eq!((holder.dn.as_str(), holder.device.as_str(), token.issued_at), ("7101", "tab", 1_600_000_000));
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
