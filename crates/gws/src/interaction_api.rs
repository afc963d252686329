//! What gws-interaction is asked by gws-workspace, as JSON between the two (own-36).

use serde::{Deserialize, Serialize};

/// Interactions that a person has open at most. All of them are one record, within the 16 KiB of the store.
pub const OPEN_MAX: usize = 20;
/// Bytes of a media type, of an id and of a subject.
const MEDIA_TYPE_MAX: usize = 32;
const ID_MAX: usize = 100;
const SUBJECT_MAX: usize = 200;

/// An interaction that a person has open: a chat, a work item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenInteraction {
    /// Its media type, as `chat`.
    pub media_type: String,
    /// Its id among those of its type.
    pub id: String,
    /// What it is about; empty if that is not told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// When it was opened, in milliseconds since 1970.
    pub opened_at: u64,
}

impl OpenInteraction {
    /// One with a subject of any length, of which is kept what fits.
    pub fn about(media_type: &str, id: &str, subject: &str, opened_at: u64) -> Self {
        let mut kept = String::new();
        for letter in subject.chars().filter(|letter| !letter.is_control()) {
            if kept.len() + letter.len_utf8() > SUBJECT_MAX {
                break;
            }
            kept.push(letter);
        }
        Self { media_type: media_type.to_owned(), id: id.to_owned(), subject: kept, opened_at }
    }

    /// Whether it is the one of that type and id.
    pub fn is(&self, media_type: &str, id: &str) -> bool {
        self.media_type == media_type && self.id == id
    }

    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let of_media = || text_fault("mediaType", &self.media_type, 1, MEDIA_TYPE_MAX);
        let of_id = || text_fault("id", &self.id, 1, ID_MAX);
        of_media().or_else(of_id).or_else(|| text_fault("subject", &self.subject, 0, SUBJECT_MAX))
    }
}

/// Control characters would take six bytes each.
fn text_fault(name: &str, text: &str, min: usize, max: usize) -> Option<String> {
    if !(min..=max).contains(&text.len()) {
        return Some(format!("{name}: it has not {min} to {max} bytes"));
    }
    text.chars().any(char::is_control).then(|| format!("{name}: it has a control character"))
}

/// What a person has open, that first which was opened first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct InteractionList {
    /// The interactions.
    pub interactions: Vec<OpenInteraction>,
}

/// An operation of the Workspace API that Interaction Server carries out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InteractionOperation {
    /// Its path below `/workspace/v3`, as `media/chat/ready`.
    pub operation: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_cut_between_letters_and_what_is_too_long_is_named() {
        let whole = OpenInteraction::about("chat", "0001", "a\nb", 7);
        assert_eq!((whole.subject.as_str(), whole.fault()), ("ab", None));
        let long = OpenInteraction::about("chat", "0001", &"ä".repeat(500), 7);
        assert_eq!((long.subject.chars().count(), long.fault()), (100, None));
        let faulty = |interaction: OpenInteraction| interaction.fault().unwrap_or_default();
        let named = faulty(OpenInteraction { media_type: String::new(), ..whole.clone() });
        assert!(named.starts_with("mediaType: "), "{named}");
        let named = faulty(OpenInteraction { id: "x".repeat(101), ..whole.clone() });
        assert!(named.starts_with("id: "), "{named}");
        let named = faulty(OpenInteraction { subject: "a\nb".to_owned(), ..whole });
        assert!(named.starts_with("subject: "), "{named}");
    }

    #[test]
    fn as_many_as_there_may_be_fit_a_record() {
        let widest = OpenInteraction {
            media_type: "\"".repeat(MEDIA_TYPE_MAX),
            id: "\"".repeat(ID_MAX),
            subject: "\"".repeat(SUBJECT_MAX),
            opened_at: u64::MAX,
        };
        assert_eq!(widest.fault(), None);
        let list = InteractionList { interactions: vec![widest; OPEN_MAX] };
        let bytes = serde_json::to_vec(&list).unwrap().len();
        assert!(bytes + 64 <= infra::bounds::SIGN_IN_VALUE_MAX, "{bytes}");
    }
}
