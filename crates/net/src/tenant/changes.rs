//! Changes of a tenant's configuration as they are followed on 8888: each in one message or several, which are put together, since an
//! object may move from one message to the next.

use contracts::provisioning::ObjectKind;
use contracts::v1;
use infra::{HistoryPoint, HistoryStamp, Revision};

/// A change that has come whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FollowedChange {
    /// The point of the tenant's history after it.
    pub point: HistoryPoint,
    /// Whether the objects are all that there are: the reader drops every other one.
    pub is_whole: bool,
    /// The objects as they are now; one without JSON is gone.
    pub objects: Vec<v1::ConfigObject>,
}

/// The messages of a change that have come so far.
pub struct ChangeParts {
    /// The point before the change.
    known: HistoryPoint,
    is_whole: bool,
    objects: Vec<v1::ConfigObject>,
}

/// Asks for the changes of objects of these kinds, and of these types of DNs, after a point: for everything if the tenant's history is
/// another one by now.
pub fn changes_after(known: HistoryPoint, kinds: &[ObjectKind], types: &[&str]) -> v1::FollowRequest {
    v1::FollowRequest {
        after_revision: known.revision.0,
        history: known.stamp.0,
        kinds: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
        types: types.iter().map(|name| (*name).to_owned()).collect(),
        id_prefix: String::new(),
    }
}

impl ChangeParts {
    /// Those of the first change after a point.
    pub const fn after(known: HistoryPoint) -> Self {
        Self { known, is_whole: false, objects: Vec::new() }
    }

    /// Takes the next message. The last one of a change gives the whole change.
    pub fn take(&mut self, part: v1::FollowResponse) -> Option<FollowedChange> {
        let point = HistoryPoint { revision: Revision(part.revision), stamp: HistoryStamp(part.history) };
        // A release without stamps tells the last message by its revision alone.
        let is_stamped = part.whole || point.stamp.is_known();
        let is_last =
            !part.unfinished && (is_stamped || point.revision != self.known.revision || part.objects.is_empty());
        self.is_whole |= part.whole;
        self.objects.extend(part.objects);
        if !is_last {
            return None;
        }
        self.known = point;
        let (is_whole, objects) = (std::mem::take(&mut self.is_whole), std::mem::take(&mut self.objects));
        Some(FollowedChange { point, is_whole, objects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(revision: u64, history: u64, ids: &[&str]) -> v1::FollowResponse {
        let object = |id: &&str| v1::ConfigObject { id: (*id).to_owned(), ..Default::default() };
        v1::FollowResponse { revision, history, objects: ids.iter().map(object).collect(), ..Default::default() }
    }

    fn unfinished(part: v1::FollowResponse) -> v1::FollowResponse {
        v1::FollowResponse { unfinished: true, ..part }
    }

    fn whole(part: v1::FollowResponse) -> v1::FollowResponse {
        v1::FollowResponse { whole: true, ..part }
    }

    fn point(revision: u64, stamp: u64) -> HistoryPoint {
        HistoryPoint { revision: Revision(revision), stamp: HistoryStamp(stamp) }
    }

    /// Revision, stamp, whether it is everything, and the ids.
    fn told(change: Option<FollowedChange>) -> Option<(HistoryPoint, bool, Vec<String>)> {
        change.map(|change| (change.point, change.is_whole, change.objects.into_iter().map(|one| one.id).collect()))
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_change_is_whole_with_its_last_message() {
        let mut parts = ChangeParts::after(point(4, 40));
        assert_eq!(told(parts.take(unfinished(part(4, 40, &["a", "b"])))), None);
        assert_eq!(told(parts.take(part(9, 90, &["c"]))), Some((point(9, 90), false, ids(&["a", "b", "c"]))));
        assert_eq!(told(parts.take(part(9, 90, &[]))), Some((point(9, 90), false, ids(&[]))));
        assert_eq!(told(parts.take(part(10, 91, &["d"]))), Some((point(10, 91), false, ids(&["d"]))));
    }

    #[test]
    fn everything_of_another_history_may_come_at_the_same_revision() {
        let mut parts = ChangeParts::after(point(4, 40));
        assert_eq!(told(parts.take(unfinished(whole(part(4, 40, &["a"]))))), None);
        assert_eq!(told(parts.take(whole(part(4, 41, &["b"])))), Some((point(4, 41), true, ids(&["a", "b"]))));
        assert_eq!(told(parts.take(part(5, 50, &["c"]))), Some((point(5, 50), false, ids(&["c"]))));
        assert_eq!(told(parts.take(whole(part(3, 0, &["d"])))), Some((point(3, 0), true, ids(&["d"]))));
    }

    #[test]
    fn messages_of_a_release_without_stamps_end_with_their_revision() {
        let mut parts = ChangeParts::after(point(4, 0));
        assert_eq!(told(parts.take(part(4, 0, &["a", "b"]))), None);
        assert_eq!(told(parts.take(part(9, 0, &["c"]))), Some((point(9, 0), false, ids(&["a", "b", "c"]))));
        assert_eq!(told(parts.take(part(9, 0, &[]))), Some((point(9, 0), false, ids(&[]))));
    }

    #[test]
    fn a_reader_asks_for_what_comes_after_its_point_of_its_history() {
        let asked = changes_after(point(9, 90), &[ObjectKind::Dn], &["echo"]);
        assert_eq!((asked.after_revision, asked.history), (9, 90));
        assert_eq!((asked.kinds, asked.types), (ids(&["dn"]), ids(&["echo"])));
    }
}
