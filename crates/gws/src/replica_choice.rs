//! Which replica of a service a session is led to: that of the greatest weight (rendezvous hashing; Thaler and Ravishankar, 1998). Every
//! process chooses the same one, and nobody has to agree on it; a replica that comes or goes moves sessions of its own alone.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderName;

use crate::stable_hash;

/// By this header a replica says that it has done nothing of a request, and that another one is to be asked. It goes no further than to
/// gws-proxy.
pub(crate) const NOT_TAKEN: HeaderName = HeaderName::from_static("x-gws-not-taken");

/// How many cookies are drawn for a session that is to be led to one replica: among eight replicas one session in seventy has none that
/// leads there, and is taken over by another one.
const DRAWS_MAX: usize = 32;

/// The replicas in the order in which the session of that cookie is led to them: to the second one while the first one is away, and so on.
pub(crate) fn ranked(session: &str, mut replicas: Vec<SocketAddr>) -> Vec<SocketAddr> {
    replicas.sort_by_cached_key(|replica| Reverse((weight(session, replica.ip()), *replica)));
    replicas
}

/// A new cookie, by which a session is led to the replica that begins it, among these; whichever `draw` gives last where none does that, or
/// where the replica is not known.
pub(crate) fn drawn_for(own: IpAddr, replicas: &[SocketAddr], mut draw: impl FnMut() -> String) -> String {
    let is_known = replicas.iter().any(|replica| replica.ip() == own);
    let leads_here = |session: &str| ranked(session, replicas.to_vec()).first().is_some_and(|first| first.ip() == own);
    let mut session = draw();
    for _ in 1..DRAWS_MAX {
        if !is_known || leads_here(&session) {
            break;
        }
        session = draw();
    }
    session
}

fn weight(session: &str, replica: IpAddr) -> u64 {
    match replica {
        IpAddr::V4(address) => stable_hash::of(&[session.as_bytes(), &address.octets()]),
        IpAddr::V6(address) => stable_hash::of(&[session.as_bytes(), &address.octets()]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn replicas(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|replica| SocketAddr::from(([127, 0, 27, replica], 8080))).collect()
    }

    proptest! {
        #[test]
        fn a_replica_that_leaves_moves_its_own_sessions_alone_each_to_its_next_one(
            session in "[a-zA-Z0-9._-]{1,60}", count in 2_u8..9, leaver in 0_usize..8,
        ) {
            let all = replicas(count);
            let leaver = all[leaver % all.len()];
            let before = ranked(&session, all.clone());
            let left: Vec<SocketAddr> = all.into_iter().filter(|replica| *replica != leaver).collect();
            let after = ranked(&session, left);
            let expected: Vec<SocketAddr> = before.into_iter().filter(|replica| *replica != leaver).collect();
            prop_assert_eq!(after, expected);
        }

        #[test]
        fn the_order_in_which_replicas_are_known_does_not_matter(session in "[a-z]{1,20}", by in 0_usize..5) {
            let mut turned = replicas(5);
            turned.rotate_left(by);
            prop_assert_eq!(ranked(&session, turned), ranked(&session, replicas(5)));
        }
    }

    #[test]
    fn a_cookie_is_drawn_until_it_leads_to_whoever_draws_it() {
        let (all, mut drawn) = (replicas(4), 0);
        for own in &all {
            let mut draw = || {
                drawn += 1;
                format!("YWNtZQ.{drawn}")
            };
            let session = drawn_for(own.ip(), &all, &mut draw);
            assert_eq!(ranked(&session, all.clone())[0], *own);
        }
        let mut draws = 0;
        let mut draw = || {
            draws += 1;
            "YWNtZQ.same".to_owned()
        };
        let elsewhere = ranked("YWNtZQ.same", all.clone())[1].ip();
        drawn_for(elsewhere, &all, &mut draw);
        drawn_for(IpAddr::from([192, 0, 2, 1]), &all, &mut draw);
        assert_eq!(draws, DRAWS_MAX + 1, "not for ever, and not for one that is not known");
    }

    #[test]
    fn a_weight_is_that_of_every_build() {
        let replica = IpAddr::from([127, 0, 27, 1]);
        assert_eq!(weight("YWNtZQ.1", replica), 0xa5b2_5317_d914_e0b1);
    }

    #[test]
    fn sessions_are_shared_out_among_all_replicas() {
        let mut of_each: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        for n in 0..3_000 {
            *of_each.entry(ranked(&format!("YWNtZQ.{n}"), replicas(3))[0]).or_default() += 1;
        }
        assert_eq!(of_each.len(), 3);
        assert!(of_each.values().all(|count| (800..1_200).contains(count)), "{of_each:?}");
    }
}
