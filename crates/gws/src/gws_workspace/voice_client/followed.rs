//! Who follows a DN, and how far its messages have come.

use std::sync::Weak;

use super::super::behind::{DnReader, ReaderId};
use crate::voice_api::{DnMessage, DnNews};

/// A DN that somebody follows.
#[derive(Default)]
pub(super) struct FollowedNumber {
    followers: Vec<DnFollower>,
    progress: DnProgress,
}

struct DnFollower {
    id: ReaderId,
    reader: Weak<dyn DnReader>,
    /// Nothing is told to it before a picture.
    waits_for_picture: bool,
}

/// Up to where a DN's messages have come, for a replica that is subscribed to anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadUntil {
    /// All up to this position.
    pub after: String,
    /// And of those at a further one so many. More of them may come, and these once more.
    pub last: Option<(String, u32)>,
}

/// How far messages have come. Several may have one position: where that is the last one, more of it may be to come, so reading begins
/// again in front of it, and leaves out those that were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct DnProgress {
    after: Option<String>,
    begun: Option<(String, u32)>,
    left_out: Option<(String, u32)>,
}

impl DnProgress {
    /// Notes a message. Returns whether it was told before.
    fn is_repeated(&mut self, message: &DnMessage) -> bool {
        let position = &message.position;
        if matches!(message.news, DnNews::Picture { .. }) {
            *self = Self { after: Some(position.clone()), ..Self::default() };
            return false;
        }
        if let Some((begun, left)) = &mut self.left_out
            && begun == position
            && *left > 0
        {
            *left -= 1;
            return true;
        }
        self.left_out = None;
        match &mut self.begun {
            Some((begun, told)) if begun == position => *told = told.saturating_add(1),
            begun => {
                if let Some((before, _)) = begun.replace((position.clone(), 1)) {
                    self.after = Some(before);
                }
            }
        }
        false
    }

    /// From where reading begins again; none: with a picture.
    fn begins_again(&mut self) -> Option<ReadUntil> {
        let after = self.after.clone()?;
        self.left_out = self.begun.clone();
        Some(ReadUntil { after, last: self.begun.clone() })
    }
}

impl FollowedNumber {
    /// Somebody follows it from that position. Returns from where it is subscribed to anew; none: with a picture, which all get.
    pub fn follow(&mut self, after: Option<String>, id: ReaderId, reader: Weak<dyn DnReader>) -> Option<ReadUntil> {
        // One who is gone without a word needs no position to be kept for it.
        self.followers.retain(|follower| follower.id != id && follower.reader.strong_count() > 0);
        let after = after.filter(|_| self.followers.is_empty());
        self.progress = DnProgress { after: after.clone(), ..DnProgress::default() };
        self.followers.push(DnFollower { id, reader, waits_for_picture: after.is_none() });
        after.map(|after| ReadUntil { after, last: None })
    }

    /// Somebody does no longer. Returns whether nobody does.
    pub fn unfollow(&mut self, id: ReaderId) -> bool {
        self.followers.retain(|follower| follower.id != id && follower.reader.strong_count() > 0);
        self.followers.is_empty()
    }

    /// All who follow it.
    pub fn readers(&self) -> impl Iterator<Item = Weak<dyn DnReader>> {
        self.followers.iter().map(|follower| follower.reader.clone())
    }

    /// From where it is subscribed to again at a reader that knows nothing of it; none: with a picture.
    pub fn subscribed_again(&mut self) -> Option<ReadUntil> {
        self.progress.begins_again()
    }

    /// Who is to be told of a message. That there is no picture concerns all: nothing is told before the next one.
    pub fn told(&mut self, message: &DnMessage) -> Vec<Weak<dyn DnReader>> {
        if matches!(message.news, DnNews::NoPicture { .. }) {
            self.progress = DnProgress::default();
            for follower in &mut self.followers {
                follower.waits_for_picture = true;
            }
            return self.readers().collect();
        }
        if self.progress.is_repeated(message) {
            return Vec::new();
        }
        let is_picture = matches!(message.news, DnNews::Picture { .. });
        let mut told = Vec::new();
        for follower in &mut self.followers {
            follower.waits_for_picture &= !is_picture;
            if !follower.waits_for_picture {
                told.push(follower.reader.clone());
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::voice_api::{DnAgentState, DnState};

    #[derive(Default)]
    struct NotedMessages(Mutex<Vec<String>>);

    impl DnReader for NotedMessages {
        fn told(&self, message: &DnMessage) {
            self.0.lock().unwrap().push(message.position.clone());
        }

        fn link_is(&self, _: bool) {}
    }

    fn until(after: &str, last: Option<(&str, u32)>) -> Option<ReadUntil> {
        let last = last.map(|(position, told)| (position.to_owned(), told));
        Some(ReadUntil { after: after.to_owned(), last })
    }

    fn message(position: &str) -> DnMessage {
        let news = DnNews::Error { code: 415, message: String::new() };
        DnMessage { position: position.to_owned(), reference: 0, requester: String::new(), news }
    }

    fn picture(position: &str) -> DnMessage {
        let dn = DnState {
            number: "7101".to_owned(),
            switch_name: None,
            agent_id: None,
            agent_state: DnAgentState::LoggedOut,
            agent_work_mode: "Unknown".to_owned(),
            dnd: None,
            forward_to: None,
            reasons: Vec::new(),
            capabilities: Vec::new(),
            timestamp: None,
            wrap_up_until: None,
        };
        DnMessage { news: DnNews::Picture { dn, calls: Vec::new() }, ..message(position) }
    }

    fn tell(followed: &mut FollowedNumber, message: &DnMessage) {
        for reader in followed.told(message) {
            reader.upgrade().unwrap().told(message);
        }
    }

    fn noted(reader: &Arc<NotedMessages>) -> Vec<String> {
        reader.0.lock().unwrap().clone()
    }

    fn weak(reader: &Arc<NotedMessages>) -> Weak<dyn DnReader> {
        let reader: Weak<NotedMessages> = Arc::downgrade(reader);
        reader
    }

    #[test]
    fn reading_that_begins_again_leaves_out_what_was_told_and_nothing_else() {
        let (mut followed, ann) = (FollowedNumber::default(), Arc::new(NotedMessages::default()));
        assert_eq!(followed.follow(Some("1".to_owned()), ReaderId(1), weak(&ann)), until("1", None));
        for position in ["2", "3", "3"] {
            tell(&mut followed, &message(position));
        }
        assert_eq!(followed.subscribed_again(), until("2", Some(("3", 2))));
        for position in ["3", "3", "3", "4"] {
            tell(&mut followed, &message(position));
        }
        assert_eq!(noted(&ann), ["2", "3", "3", "3", "4"]);
    }

    #[test]
    fn a_first_message_of_many_at_one_position_is_no_reason_to_leave_out_the_others() {
        let (mut followed, ann) = (FollowedNumber::default(), Arc::new(NotedMessages::default()));
        followed.follow(Some("1".to_owned()), ReaderId(1), weak(&ann));
        tell(&mut followed, &message("2"));
        assert_eq!(followed.subscribed_again(), until("1", Some(("2", 1))), "more may come of the second position");
        tell(&mut followed, &picture("9"));
        assert_eq!(followed.subscribed_again(), until("9", None), "of a picture's nothing comes any more");
        assert_eq!(noted(&ann), ["2", "9"]);
    }

    #[test]
    fn who_comes_second_is_told_nothing_before_a_picture() {
        let mut followed = FollowedNumber::default();
        let (ann, bob) = (Arc::new(NotedMessages::default()), Arc::new(NotedMessages::default()));
        followed.follow(Some("1".to_owned()), ReaderId(1), weak(&ann));
        tell(&mut followed, &message("2"));
        assert_eq!(followed.follow(Some("1".to_owned()), ReaderId(2), weak(&bob)), None);
        tell(&mut followed, &message("3"));
        tell(&mut followed, &picture("4"));
        tell(&mut followed, &message("5"));
        assert_eq!(
            (noted(&ann), noted(&bob)),
            (["2", "3", "4", "5"].map(str::to_owned).to_vec(), vec!["4".to_owned(), "5".to_owned()])
        );
        assert!(!followed.unfollow(ReaderId(1)) && followed.unfollow(ReaderId(2)));
    }

    #[test]
    fn that_there_is_no_picture_is_told_to_who_waits_for_it_and_nothing_else_before_one() {
        let (mut followed, ann) = (FollowedNumber::default(), Arc::new(NotedMessages::default()));
        followed.follow(None, ReaderId(1), weak(&ann));
        let news = DnNews::NoPicture { code: 59, message: "7101 is no DN of the tenant".to_owned() };
        tell(&mut followed, &DnMessage { news, ..message("1") });
        tell(&mut followed, &message("2"));
        assert!(followed.followers.iter().any(|follower| follower.waits_for_picture));
        assert_eq!((noted(&ann), followed.subscribed_again()), (vec!["1".to_owned()], None));
        tell(&mut followed, &picture("3"));
        assert!(!followed.followers.iter().any(|follower| follower.waits_for_picture) && noted(&ann) == ["1", "3"]);
    }

    #[test]
    fn who_is_gone_follows_nothing() {
        let (mut followed, ann) = (FollowedNumber::default(), Arc::new(NotedMessages::default()));
        followed.follow(None, ReaderId(1), weak(&ann));
        drop(ann);
        assert!(followed.unfollow(ReaderId(2)));
    }

    #[test]
    fn who_comes_after_one_that_is_gone_without_a_word_goes_on_from_its_position() {
        let mut followed = FollowedNumber::default();
        let (gone, ann) = (Arc::new(NotedMessages::default()), Arc::new(NotedMessages::default()));
        followed.follow(Some("1".to_owned()), ReaderId(1), weak(&gone));
        drop(gone);
        assert_eq!(followed.follow(Some("5".to_owned()), ReaderId(2), weak(&ann)), until("5", None));
        tell(&mut followed, &message("6"));
        assert_eq!(noted(&ann), ["6"]);
    }
}
