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
        Self { ends: i64::MAX, complained: None }
    }
}

impl Expiry {
    /// Of these certificates.
    pub fn of(identities: &[Arc<Identity>]) -> Self {
        let ends = identities.iter().map(|identity| identity.valid_to()).min().unwrap_or(i64::MAX);
        Self { ends, complained: None }
    }

    /// In seconds of Unix time.
    pub const fn ends(&self) -> i64 {
        self.ends
    }

    /// What to complain of now: at most once a day.
    pub fn complaint(&mut self, now: i64) -> Option<Complaint> {
        let day = DAY_SECONDS.cast_signed();
        let left = self.ends.saturating_sub(now);
        if left > ENDS_SOON.as_secs().cast_signed() || self.complained.is_some_and(|at| now - at < day) {
            return None;
        }
        self.complained = Some(now);
        Some(if left <= 0 { Complaint::Expired } else { Complaint::EndsIn(left / day) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_near_is_complained_of_once_a_day() {
        let day = DAY_SECONDS.cast_signed();
        let mut expiry = Expiry { ends: 100 * day, complained: None };
        for (at, says) in [
            (0, None),
            (97 * day, Some(Complaint::EndsIn(3))),
            (98 * day - 1, None),
            (98 * day, Some(Complaint::EndsIn(2))),
            (100 * day, Some(Complaint::Expired)),
            (100 * day + 1, None),
        ] {
            assert_eq!(expiry.complaint(at), says, "{at}");
        }
        assert_eq!(Expiry::of(&[]).complaint(100 * day), None, "there is none that could end");
    }
}
