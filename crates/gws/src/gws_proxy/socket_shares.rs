//! The places of WebSockets at the proxy: so many of an address, of a session and of a tenant, so that nobody takes those of all others.
//!
//! ingress counts addresses too, but each of its replicas by itself, and no tenants. Which session a socket is of, its cookie says: the
//! service behind it looks whether there is one, and a socket that it does not take gives its places back.

use std::net::IpAddr;

use identity::session_cookie::SessionCookie;
use net::http::{Capacity, NoCapacity, Place, Problem, Shares};
use runtime::metrics::Refusal;
use runtime::server::CONNECTIONS_MAX;

use crate::bayeux_socket::{SessionPlace, SocketPlaces};

/// As many as connections. All come from addresses without tokens of ours, which have three quarters together: the rest of the connections
/// is for requests. One address, as of an office, has half.
const OF_ADDRESSES: Capacity = Capacity { all: CONNECTIONS_MAX };

/// All places.
pub(super) struct SocketShares {
    of_addresses: Shares,
    of_sessions: SocketPlaces,
}

/// Those of one WebSocket. They are free again when this is dropped.
pub(super) struct ProxiedPlaces {
    _of_address: Place,
    _of_session: Option<SessionPlace>,
}

/// Who has too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooManySockets {
    /// All together.
    All,
    /// The address or its network, or all addresses, while few places are left.
    OfAddress,
    /// The tenant, while few places are left.
    OfTenant,
    /// The session.
    OfSession,
}

impl SocketShares {
    /// None is taken yet.
    pub fn new() -> Self {
        Self { of_addresses: Shares::new(OF_ADDRESSES), of_sessions: SocketPlaces::default() }
    }

    /// The places of one more socket from that address, of the session that it names, if it names one.
    ///
    /// # Errors
    /// If somebody has too many.
    pub fn take(&self, address: IpAddr, session: Option<&SessionCookie>) -> Result<ProxiedPlaces, TooManySockets> {
        let of_address = self.of_addresses.take_of_address(address).map_err(|full| match full {
            NoCapacity::All => TooManySockets::All,
            NoCapacity::Share => TooManySockets::OfAddress,
        })?;
        let of_session = session.map(|session| {
            let of_tenant = self.of_sessions.of_tenant(&session.tenant).ok_or(TooManySockets::OfTenant)?;
            of_tenant.of(session).ok_or(TooManySockets::OfSession)
        });
        Ok(ProxiedPlaces { _of_address: of_address, _of_session: of_session.transpose()? })
    }
}

impl TooManySockets {
    /// As what it is counted.
    pub fn counted(self) -> Refusal {
        if self == Self::All { Refusal::Overloaded } else { Refusal::Share }
    }

    /// What whoever opens one more is told.
    pub fn problem(self) -> Problem {
        Problem::unavailable(match self {
            Self::All => "too many WebSockets at once",
            Self::OfAddress => "there are too many WebSockets of this address, while few places are left",
            Self::OfTenant => "there are too many WebSockets of the tenant, while few places are left",
            Self::OfSession => "there are too many WebSockets of the session",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse as _;
    use model::TenantId;

    use super::*;

    fn cookie(tenant: &str, secret: usize) -> SessionCookie {
        let tenant = TenantId::parse(tenant).unwrap();
        SessionCookie::read(&SessionCookie::write(&tenant, &secret.to_string())).unwrap()
    }

    fn address(n: usize) -> IpAddr {
        Ipv4Addr::from_bits(0xc633_6400 + u32::try_from(n).unwrap()).into()
    }

    /// The places that there are for these, one after the other, and why there are no more.
    fn all(
        shares: &SocketShares,
        next: impl Fn(usize) -> (IpAddr, Option<SessionCookie>),
    ) -> (Vec<ProxiedPlaces>, TooManySockets) {
        let mut held = Vec::new();
        loop {
            let (address, session) = next(held.len());
            match shares.take(address, session.as_ref()) {
                Ok(place) => held.push(place),
                Err(why) => return (held, why),
            }
        }
    }

    #[test]
    fn an_address_has_half_of_the_places_and_others_find_some() {
        let shares = SocketShares::new();
        let (of_one, why) = all(&shares, |_| (address(1), None));
        assert_eq!((of_one.len(), why), (CONNECTIONS_MAX / 2, TooManySockets::OfAddress));
        for n in 2..100 {
            let place = shares.take(address(n), Some(&cookie("globex", n)));
            assert!(place.is_ok(), "{n}");
        }
        drop(of_one);
        assert!(shares.take(address(1), None).is_ok());
    }

    #[test]
    fn a_tenant_has_three_quarters_of_them_from_wherever_and_others_find_some() {
        let shares = SocketShares::new();
        let (of_acme, why) = all(&shares, |n| (address(n), Some(cookie("acme", n))));
        assert_eq!(why, TooManySockets::OfTenant);
        assert!(of_acme.len() > CONNECTIONS_MAX / 2 && of_acme.len() < CONNECTIONS_MAX * 5 / 8, "{}", of_acme.len());
        let (of_globex, _) = all(&shares, |n| (address(CONNECTIONS_MAX + n), Some(cookie("globex", n))));
        assert!(of_globex.len() > 500, "{}", of_globex.len());
        drop(of_acme);
        assert!(shares.take(address(1), Some(&cookie("acme", 1))).is_ok());
    }

    #[test]
    fn a_session_has_a_few_and_a_socket_that_finds_no_place_takes_none() {
        let shares = SocketShares::new();
        let (of_one, why) = all(&shares, |n| (address(n), Some(cookie("acme", 1))));
        assert_eq!((of_one.len(), why), (16, TooManySockets::OfSession));
        assert!(shares.take(address(1), Some(&cookie("acme", 2))).is_ok());
        for n in 0..2 * CONNECTIONS_MAX {
            assert_eq!(shares.take(address(1), Some(&cookie("acme", 1))).err(), Some(TooManySockets::OfSession), "{n}");
        }
        assert!(shares.take(address(1), None).is_ok(), "those that were refused have left no place taken");
    }

    #[test]
    fn whoever_is_refused_is_told_when_to_ask_again_and_who_has_too_many() {
        for (why, word) in [
            (TooManySockets::All, "at once"),
            (TooManySockets::OfAddress, "address"),
            (TooManySockets::OfTenant, "tenant"),
            (TooManySockets::OfSession, "session"),
        ] {
            let problem = why.problem();
            assert!(problem.detail.as_ref().unwrap().contains(word), "{problem}");
            let answer = problem.into_response();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert!(answer.headers().contains_key(header::RETRY_AFTER));
        }
    }
}
