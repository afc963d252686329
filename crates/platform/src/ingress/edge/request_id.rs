//! `X-Request-Id`: the name of one request, in its answer, in the access log and on its way inwards.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use model::Entropy;

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id of a client that is kept, in bytes: a UUID has 36.
const ID_BYTES_MAX: usize = 64;

/// Ids for requests that bring none. They differ; nothing follows from them.
pub(in crate::ingress) struct RequestIds {
    /// Differs from run to run, and from replica to replica.
    run: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub fn new(entropy: &mut dyn Entropy) -> Self {
        Self { run: entropy.next_u64(), count: AtomicU64::new(0) }
    }

    /// The id of a request with these headers: its own if it is well-formed, else a new one. The headers have it from then on.
    pub fn of(&self, headers: &mut HeaderMap) -> HeaderValue {
        let id = own(headers).unwrap_or_else(|| self.new_id());
        headers.insert(HEADER, id.clone());
        id
    }

    fn new_id(&self) -> HeaderValue {
        let id = format!("{:016x}-{:x}", self.run, self.count.fetch_add(1, Relaxed));
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// The id that a client gives, if there is one alone and it is well-formed: it is written into logs.
fn own(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut given = headers.get_all(HEADER).iter();
    let id = given.next().filter(|_| given.next().is_none())?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let is_well_formed = (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
    is_well_formed.then(|| id.clone())
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;

    #[test]
    fn an_id_of_the_client_stays_and_others_are_replaced_by_new_ones() {
        let ids = RequestIds::new(&mut Seeded::new(7));
        let of = |given: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for &id in given {
                headers.append(HEADER, HeaderValue::from_static(id));
            }
            let id = ids.of(&mut headers);
            assert_eq!(headers.get_all(HEADER).iter().collect::<Vec<_>>(), [&id], "it goes inwards");
            id.to_str().unwrap().to_owned()
        };
        let uuid = "0b4e4d58-9c1e-4f3a-8a4c-2d7c6b0e9f11";
        assert_eq!(of(&[uuid]), uuid);
        let long: &'static str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        let none: &[&'static str] = &[];
        let mut new: Vec<String> = [none, &[""], &["a b"], &["a\"b"], &[long], &["one", "two"]].map(of).into();
        for id in &new {
            assert!(id.starts_with(&format!("{:016x}-", ids.run)), "{id}");
        }
        new.sort();
        new.dedup();
        assert_eq!(new.len(), 6, "no two are the same");
    }
}
