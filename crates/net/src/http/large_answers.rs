//! Places of large answers: whoever passes one on keeps its place until it is taken, and few are under way at once.

use http::Extensions;
use runtime::{Caller, Problem};

use super::shares::{Capacity, NoCapacity, Place, ShareHolder, Shares};
use super::trusted_proxies::WebClient;

/// Counts large answers under way. Callers and tenants share the places as they share those of requests. Cheap to clone.
#[derive(Clone)]
pub struct AnswerPlaces(Shares);

impl AnswerPlaces {
    /// So many at once.
    pub fn new(capacity: Capacity) -> Self {
        Self(Shares::new(capacity))
    }

    /// A place for the answer to the request with these extensions. It is free again when it is dropped.
    ///
    /// # Errors
    /// When all are taken, or the caller has used up its share.
    pub fn take(&self, request: &Extensions) -> Result<Place, Problem> {
        let address = request.get::<WebClient>().map(|client| client.address);
        let holder = ShareHolder::of(request.get::<Caller>(), address);
        self.0.take(holder).map_err(|full| match full {
            NoCapacity::All => Problem::unavailable("too many large answers are under way"),
            NoCapacity::Share => Problem::too_many(
                "too many large answers to this caller or its tenant are under way, while few places are left",
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_caller_has_its_share_of_large_answers_until_they_are_taken() {
        let places = AnswerPlaces::new(Capacity { all: 4 });
        let take = |last: u8| {
            let address = IpAddr::from([192, 0, 2, last]);
            let mut request = Extensions::new();
            request.insert(WebClient { address, is_secure: true, is_passed_on: false });
            places.take(&request).map_err(|problem| problem.status)
        };
        let (first, second) = (take(1).unwrap(), take(1).unwrap());
        assert_eq!(take(1).err(), Some(429), "half of them");
        assert!(take(2).is_ok(), "another caller");
        drop((first, second));
        assert!(take(1).is_ok());
    }
}
