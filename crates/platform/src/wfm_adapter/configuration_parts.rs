//! Changes of the configuration that come in several messages, put together: an object may move from one message to the next.

use contracts::v1;

/// The messages of a change that have come so far.
pub(super) struct ConfigurationParts {
    /// The revision before the change.
    known: u64,
    objects: Vec<v1::ConfigObject>,
}

impl ConfigurationParts {
    pub const fn after(known: u64) -> Self {
        Self { known, objects: Vec::new() }
    }

    /// Takes the next message. The last one of a change, which alone has a new revision, gives the whole change.
    pub fn whole(&mut self, part: v1::FollowResponse) -> Option<v1::FollowResponse> {
        let is_last = part.revision != self.known || part.objects.is_empty();
        self.objects.extend(part.objects);
        if !is_last {
            return None;
        }
        self.known = part.revision;
        Some(v1::FollowResponse { revision: part.revision, objects: std::mem::take(&mut self.objects) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(revision: u64, ids: &[&str]) -> v1::FollowResponse {
        let object = |id: &&str| v1::ConfigObject { id: (*id).to_owned(), ..Default::default() };
        v1::FollowResponse { revision, objects: ids.iter().map(object).collect() }
    }

    #[test]
    fn a_change_is_whole_with_its_last_message() {
        let mut parts = ConfigurationParts::after(4);
        assert_eq!(parts.whole(part(4, &["a", "b"])), None);
        assert_eq!(parts.whole(part(9, &["c"])), Some(part(9, &["a", "b", "c"])));
        assert_eq!(parts.whole(part(9, &[])), Some(part(9, &[])));
        assert_eq!(parts.whole(part(10, &["d"])), Some(part(10, &["d"])));
    }
}
