//! The voice channel of a session: its DN, whose agent is there, what the clients know, and how far they are known to know it.

use std::collections::VecDeque;

use model::Timestamp;
use serde_json::{Map, Value};

use super::picture::{Completion, PictureChange, PictureDifference, VoicePicture, is_logged_in, is_released, left_dn};

/// The most messages of which it is not known whether all clients have them: as many as a client's queue takes, or more. Beyond, the
/// oldest counts as told.
const UNCONFIRMED_MAX: usize = 512;

/// How far the messages of a DN have been taken. Several of them may have one position: where that is the last one, it is not known
/// whether more of them come, so reading begins again in front of it and leaves out those that were taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadingProgress {
    /// The position of which nothing comes any more.
    pub after: Option<String>,
    /// The position behind it, and how many of its messages were taken.
    pub begun: Option<(String, u32)>,
}

impl ReadingProgress {
    fn take(&mut self, mark: &ReadingMark) {
        match mark {
            ReadingMark::Picture(position) => *self = Self { after: Some(position.clone()), begun: None },
            ReadingMark::Message(position) => match &mut self.begun {
                Some((begun, taken)) if begun == position => *taken = taken.saturating_add(1),
                begun => {
                    self.after = begun.replace((position.clone(), 1)).map(|(before, _)| before).or(self.after.take())
                }
            },
        }
    }
}

/// What of the reading a message is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum ReadingMark {
    /// A picture of that position.
    Picture(String),
    /// A message of that position.
    Message(String),
}

/// Something that was told, until it is known that all clients have it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct UnconfirmedNews {
    /// The cursor of the last event that it has led to.
    pub cursor: u64,
    /// What it has changed.
    pub changes: Vec<PictureChange>,
    /// Which message it was; none if the desk itself has changed something.
    pub mark: Option<ReadingMark>,
}

/// Whose events may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DnAdmission {
    /// The session's agent was not seen at the DN yet: nothing of it is told.
    Waiting,
    /// It has logged in there, and nobody else has since.
    Admitted,
}

/// A login that is made once messages of the DN come: before, its refusal would be told to nobody.
#[derive(Clone, Debug)]
pub(super) struct WaitingLogin {
    pub reference: u64,
    pub frame: Map<String, Value>,
    /// Then it is made all the same.
    pub until: Timestamp,
}

/// How the session's agent stands to the DN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AgentPresence {
    /// The agent was not seen there, or another one is there now.
    Elsewhere,
    /// The agent has logged out, and nobody has logged in since. The calls that were there are told on until they are released; who
    /// makes others is anybody at that phone.
    Left,
    /// The agent is logged in there.
    There,
}

/// The channel.
#[derive(Clone, Debug)]
pub(super) struct VoiceChannel {
    /// The DN's number.
    pub dn: String,
    /// Its switch, if it is known.
    pub switch_name: Option<String>,
    /// `AgentWorkMode` of the logins.
    pub work_mode: Option<String>,
    pub completion: Completion,
    pub admission: DnAdmission,
    /// Whether messages of the DN come: the first one has.
    pub is_heard: bool,
    /// Whether gws-voice has said, instead of a picture, why there is none.
    pub is_refused: bool,
    pub waiting: Vec<WaitingLogin>,
    /// The reference of a login whose outcome is not known.
    pub login: Option<u64>,
    /// Whether the agent is logged in there by this session, and so is logged out at its end.
    pub owns_login: bool,
    /// Whether the channel ends with the logout.
    pub is_leaving: bool,
    /// Whom the agent monitors, or did last.
    pub monitored: Option<String>,
    /// What was told last.
    pub picture: VoicePicture,
    /// What is known to have been received.
    pub told: VoicePicture,
    pub told_progress: ReadingProgress,
    pub unconfirmed: VecDeque<UnconfirmedNews>,
    /// How far messages have come.
    pub progress: ReadingProgress,
    /// Messages of the position where reading has begun again, that were taken before.
    pub skipped: Option<(String, u32)>,
    /// How a DN is at which the agent is not: what will be told once the agent is. Of calls those that are not released.
    pub unseen: VoicePicture,
}

impl VoiceChannel {
    /// A channel of which nothing is known yet.
    pub fn new(dn: String, switch_name: Option<String>, work_mode: Option<String>, completion: Completion) -> Self {
        Self {
            dn,
            switch_name,
            work_mode,
            completion,
            admission: DnAdmission::Waiting,
            is_heard: false,
            is_refused: false,
            waiting: Vec::new(),
            login: None,
            owns_login: false,
            is_leaving: false,
            monitored: None,
            picture: VoicePicture::default(),
            told: VoicePicture::default(),
            told_progress: ReadingProgress::default(),
            unconfirmed: VecDeque::new(),
            progress: ReadingProgress::default(),
            skipped: None,
            unseen: VoicePicture::default(),
        }
    }

    pub fn is_admitted(&self) -> bool {
        self.admission == DnAdmission::Admitted
    }

    /// Whether somebody is logged in at the DN, as far as is known.
    pub fn is_logged_in(&self) -> bool {
        self.picture.dn.as_ref().is_some_and(is_logged_in)
    }

    /// How the agent stands to the DN as it was told last.
    pub fn presence(&self) -> AgentPresence {
        self.presence_at(self.is_logged_in())
    }

    fn presence_at(&self, is_logged_in: bool) -> AgentPresence {
        match self.admission {
            DnAdmission::Waiting => AgentPresence::Elsewhere,
            DnAdmission::Admitted if is_logged_in => AgentPresence::There,
            DnAdmission::Admitted => AgentPresence::Left,
        }
    }

    /// What is told now that the DN is like this and the admission is settled; `before` is the presence until now. With `calls` it is a
    /// picture of all, without them the calls are as they were.
    pub fn differences(
        &mut self,
        dn: &Value,
        calls: Option<Vec<Value>>,
        before: AgentPresence,
    ) -> Vec<PictureDifference> {
        let after = self.presence_at(is_logged_in(dn));
        let is_picture = calls.is_some();
        let known = match before {
            AgentPresence::There => self.picture.calls.iter().filter(|call| !is_released(call)).cloned().collect(),
            AgentPresence::Left | AgentPresence::Elsewhere => std::mem::take(&mut self.unseen.calls),
        };
        let calls = calls.unwrap_or(known);
        let of_dn =
            || vec![PictureDifference { change: PictureChange::Dn(dn.clone()), notification: Some("StateChange") }];
        let differences = match (before, after) {
            (AgentPresence::There, AgentPresence::There) if !is_picture => of_dn(),
            (_, AgentPresence::There) => self.picture.differences(dn, &calls),
            (_, AgentPresence::Left) if !is_picture => of_dn(),
            (_, AgentPresence::Left) => {
                let own: Vec<Value> = calls.iter().filter(|call| self.picture.goes_on_as(call)).cloned().collect();
                self.picture.differences(dn, &own)
            }
            (AgentPresence::Elsewhere, AgentPresence::Elsewhere) => Vec::new(),
            (_, AgentPresence::Elsewhere) => self.picture.differences(&left_dn(dn), &[]),
        };
        self.unseen = match after {
            AgentPresence::There => VoicePicture::default(),
            AgentPresence::Left | AgentPresence::Elsewhere => VoicePicture { dn: Some(dn.clone()), calls },
        };
        differences
    }

    /// Takes a call. Returns whether it is told.
    pub fn is_told(&mut self, call: &Value) -> bool {
        let presence = self.presence();
        if presence == AgentPresence::There {
            return true;
        }
        self.unseen.apply(&PictureChange::Call(call.clone()), Completion::Automatic);
        presence == AgentPresence::Left && self.picture.goes_on_as(call)
    }

    /// Whether a message was taken before reading began again. Notes it if not.
    pub fn is_repeated(&mut self, mark: &ReadingMark) -> bool {
        if let (ReadingMark::Message(position), Some((begun, left))) = (mark, &mut self.skipped)
            && position == begun
            && *left > 0
        {
            *left -= 1;
            return true;
        }
        self.skipped = None;
        self.progress.take(mark);
        false
    }

    /// Reads again from where the last message came.
    pub fn read_again(&mut self) -> Option<String> {
        self.skipped = self.progress.begun.clone();
        self.progress.after.clone()
    }

    /// Takes changes that were told up to that cursor.
    pub fn note(&mut self, news: UnconfirmedNews) {
        for change in &news.changes {
            self.picture.apply(change, self.completion);
        }
        self.unconfirmed.push_back(news);
        while self.unconfirmed.len() > UNCONFIRMED_MAX {
            self.confirm_oldest();
        }
    }

    /// The messages that come again where reading begins again behind what all clients have, by the cursors of their last events. Behind a
    /// picture it is not known which do.
    pub fn messages_to_come_again(&self) -> Vec<u64> {
        let is_picture = |news: &&UnconfirmedNews| matches!(news.mark, Some(ReadingMark::Picture(_)));
        let before_picture = self.unconfirmed.iter().take_while(|news| !is_picture(news));
        before_picture.filter(|news| news.mark.is_some()).map(|news| news.cursor).collect()
    }

    /// All clients have what was told up to that cursor. Says whether that is news.
    pub fn confirm(&mut self, cursor: u64) -> bool {
        let before = self.unconfirmed.len();
        while self.unconfirmed.front().is_some_and(|news| news.cursor <= cursor) {
            self.confirm_oldest();
        }
        self.unconfirmed.len() < before
    }

    fn confirm_oldest(&mut self) {
        let Some(news) = self.unconfirmed.pop_front() else { return };
        for change in &news.changes {
            self.told.apply(change, self.completion);
        }
        if let Some(mark) = &news.mark {
            self.told_progress.take(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(position: &str) -> ReadingMark {
        ReadingMark::Message(position.to_owned())
    }

    #[test]
    fn reading_begins_again_in_front_of_the_last_position_and_leaves_out_what_was_taken() {
        let mut channel = VoiceChannel::new("7101".to_owned(), None, None, Completion::Automatic);
        assert!(!channel.is_repeated(&ReadingMark::Picture("1".to_owned())));
        for position in ["2", "3", "3"] {
            assert!(!channel.is_repeated(&message(position)));
        }
        assert_eq!(channel.read_again().as_deref(), Some("2"));
        let repeated: Vec<bool> = ["3", "3", "3", "4"].map(|position| channel.is_repeated(&message(position))).to_vec();
        assert_eq!(repeated, [true, true, false, false]);
        assert_eq!(channel.progress.after.as_deref(), Some("3"));
    }

    #[test]
    fn after_a_picture_nothing_of_its_position_is_missing() {
        let mut channel = VoiceChannel::new("7101".to_owned(), None, None, Completion::Automatic);
        assert!(!channel.is_repeated(&ReadingMark::Picture("9".to_owned())));
        assert_eq!((channel.read_again().as_deref(), channel.skipped.clone()), (Some("9"), None));
    }

    #[test]
    fn what_is_not_confirmed_is_not_counted_as_told() {
        let mut channel = VoiceChannel::new("7101".to_owned(), None, None, Completion::Automatic);
        for cursor in 1..=3_u64 {
            let change = PictureChange::Dn(json!({"number": "7101", "timestamp": cursor}));
            let mark = Some(message(&cursor.to_string()));
            channel.note(UnconfirmedNews { cursor, changes: vec![change], mark });
        }
        assert!(channel.confirm(2) && !channel.confirm(2));
        assert_eq!(channel.told.dn, Some(json!({"number": "7101", "timestamp": 2})));
        assert_eq!(channel.picture.dn, Some(json!({"number": "7101", "timestamp": 3})));
        assert_eq!(channel.told_progress.after.as_deref(), Some("1"));
    }

    #[test]
    fn what_waits_for_a_confirmation_is_bounded() {
        let mut channel = VoiceChannel::new("7101".to_owned(), None, None, Completion::Automatic);
        for cursor in 0..2 * UNCONFIRMED_MAX as u64 {
            channel.note(UnconfirmedNews { cursor, changes: Vec::new(), mark: None });
        }
        assert_eq!(channel.unconfirmed.len(), UNCONFIRMED_MAX);
    }
}
