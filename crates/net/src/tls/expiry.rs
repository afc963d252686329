//! The end of certificates: which one ends first, and when to complain of that.

use std::sync::Arc;
use std::time::Duration;

use super::identity::Identity;

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// How long before its end a certificate is complained of.
pub const ENDS_SOON: Duration = Duration::from_secs(14 * DAY_SECONDS);

/// The end of the certificate that ends first.
#[derive(Debug)]
pub struct Expiry {
    /// In seconds of Unix time.
    ends: i64,
    /// From when on it is complained of, likewise.
    complained_from: i64,
    /// When it was last complained of.
    complained: Option<i64>,
}

/// What there is to complain of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// It has ended.
    Expired,
    /// It ends in so many days.
    EndsIn(i64),
}

impl Default for Expiry {
    /// There is no certificate.
    fn default() -> Self {
        Self { ends: i64::MAX, complained_from: i64::MAX, complained: None }
    }
}

impl Expiry {
    /// Of these certificates.
    pub fn of(identities: &[Arc<Identity>]) -> Self {
        let ends = identities.iter().map(|identity| identity.valid_to()).min().unwrap_or(i64::MAX);
        Self { ends, complained_from: ends.saturating_sub(ENDS_SOON.as_secs().cast_signed()), complained: None }
    }

    /// These and one that we renew by ourselves.
    #[must_use]
    pub fn with_issued(self, issued: &Identity) -> Self {
        let complained_from = issued_ends_soon(issued.valid_from(), issued.valid_to());
        Self {
            ends: self.ends.min(issued.valid_to()),
            complained_from: self.complained_from.min(complained_from),
            complained: self.complained,
        }
    }

    /// In seconds of Unix time.
    pub const fn ends(&self) -> i64 {
        self.ends
    }

    /// What to complain of now: at most once a day.
    pub fn complaint(&mut self, now: i64) -> Option<Complaint> {
        let day = DAY_SECONDS.cast_signed();
        let left = self.ends.saturating_sub(now);
        if now < self.complained_from || self.complained.is_some_and(|at| now - at < day) {
            return None;
        }
        self.complained = Some(now);
        Some(if left <= 0 { Complaint::Expired } else { Complaint::EndsIn(left / day) })
    }
}

/// From when on a certificate ends soon that we renew by ourselves, with two thirds of its life over: once that has failed for a while. All
/// in seconds of Unix time.
pub fn issued_ends_soon(valid_from: i64, valid_to: i64) -> i64 {
    let quarter = valid_to.saturating_sub(valid_from).max(0) / 4;
    valid_to.saturating_sub(quarter.min(ENDS_SOON.as_secs().cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_near_is_complained_of_once_a_day() {
        let day = DAY_SECONDS.cast_signed();
        let mut expiry = Expiry { ends: 100 * day, complained_from: 86 * day, complained: None };
        for (at, says) in [
            (0, None),
            (86 * day - 1, None),
            (97 * day, Some(Complaint::EndsIn(3))),
            (98 * day - 1, None),
            (98 * day, Some(Complaint::EndsIn(2))),
            (100 * day, Some(Complaint::Expired)),
            (100 * day + 1, None),
        ] {
            assert_eq!(expiry.complaint(at), says, "{at}");
        }
        assert_eq!(issued_ends_soon(0, 90 * day), 76 * day, "as others");
        assert_eq!(issued_ends_soon(0, 6 * day), 6 * day - day * 3 / 2, "one of six days does not always end soon");
        assert_eq!(Expiry::of(&[]).complaint(100 * day), None, "there is none that could end");
    }
}
