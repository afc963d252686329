//! Which addresses of an answer are replicas' at all. No I/O: answers in, what is left of them out.
//!
//! A role sends its token to whom it asks. So whoever may write into a source must not say who that is: an address counts only if the
//! settings give it to a replica of the role.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::RoleAnswer;

/// The most strangers of a role that are told one by one; further ones are only counted. One entry that is left over, or the replicas of an
/// installation that was told other numbers, fit in.
pub const STRANGERS_TOLD_MAX: usize = 16;
/// How what has no address is told.
const UNREADABLE: &str = "an entry whose address is none of IP with a port";

/// The addresses that replicas of one role can have.
#[derive(Debug)]
pub struct AddressSieve {
    possible: BTreeSet<SocketAddr>,
    /// What was told of strangers.
    told: BTreeSet<String>,
}

/// An answer without strangers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiftedAnswer {
    /// Which answer it is, as [`RoleAnswer::index`].
    pub index: u64,
    /// The replicas that it names.
    pub replicas: BTreeSet<IpAddr>,
    /// Whether it may lack some that there are.
    pub is_incomplete: bool,
    /// How many entries of it were dropped.
    pub dropped: u64,
    /// Those of them that are to be told now: each once, of the first [`STRANGERS_TOLD_MAX`].
    pub strangers: Vec<String>,
}

impl AddressSieve {
    /// Lets these addresses through.
    pub fn new(possible: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { possible: possible.into_iter().collect(), told: BTreeSet::new() }
    }

    /// Drops what is no replica's.
    pub fn sift(&mut self, answer: &RoleAnswer) -> SiftedAnswer {
        let mut sifted = SiftedAnswer {
            index: answer.index,
            is_incomplete: answer.incomplete.is_some(),
            dropped: u64::try_from(answer.unreadable).unwrap_or(u64::MAX),
            ..SiftedAnswer::default()
        };
        sifted.strangers.extend((answer.unreadable > 0).then(|| self.untold(UNREADABLE.to_owned())).flatten());
        for named in &answer.replicas {
            if self.possible.contains(named) {
                sifted.replicas.insert(named.ip());
            } else {
                sifted.dropped = sifted.dropped.saturating_add(1);
                sifted.strangers.extend(self.untold(named.to_string()));
            }
        }
        sifted
    }

    /// The stranger, if it is to be told.
    fn untold(&mut self, stranger: String) -> Option<String> {
        let is_new = self.told.len() < STRANGERS_TOLD_MAX && self.told.insert(stranger.clone());
        is_new.then_some(stranger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn sieve() -> AddressSieve {
        AddressSieve::new(["127.0.27.1:8080", "127.0.27.2:8080"].map(socket))
    }

    fn answer(named: &[&str]) -> RoleAnswer {
        RoleAnswer { index: 7, replicas: named.iter().map(|text| socket(text)).collect(), ..RoleAnswer::default() }
    }

    #[test]
    fn only_what_the_settings_give_to_the_role_is_a_replica() {
        let named = [
            "127.0.27.2:8080",
            "192.0.2.9:8080",
            "127.0.27.3:8080",
            "127.0.27.1:9999",
            "127.0.24.1:8080",
            "0.0.0.0:8080",
            "[::ffff:127.0.27.1]:8080",
        ];
        let sifted = sieve().sift(&answer(&named));
        assert_eq!(sifted.replicas, BTreeSet::from([socket(named[0]).ip()]));
        assert_eq!((sifted.index, sifted.dropped, sifted.is_incomplete), (7, 6, false));
        assert_eq!(sifted.strangers, named[1..]);
    }

    #[test]
    fn each_stranger_is_told_once_and_counted_each_time() {
        let mut sieve = sieve();
        let strange = RoleAnswer { unreadable: 3, ..answer(&["192.0.2.9:80", "192.0.2.9:80"]) };
        let first = sieve.sift(&strange);
        assert_eq!((first.dropped, first.strangers), (5, vec![UNREADABLE.to_owned(), "192.0.2.9:80".to_owned()]));
        let again = sieve.sift(&strange);
        assert_eq!((again.dropped, again.strangers), (5, Vec::new()));
    }

    #[test]
    fn the_log_does_not_grow_with_what_somebody_writes() {
        let mut sieve = sieve();
        let mut told = 0;
        for turn in 0..40_u8 {
            let replicas = (0..200).map(|host| SocketAddr::from(([192, 0, turn, host], 80))).collect();
            let sifted = sieve.sift(&RoleAnswer { replicas, ..RoleAnswer::default() });
            assert_eq!(sifted.dropped, 200);
            told += sifted.strangers.len();
        }
        assert_eq!((told, sieve.told.len()), (STRANGERS_TOLD_MAX, STRANGERS_TOLD_MAX));
    }
}
