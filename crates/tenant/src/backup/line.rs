//! The lines of a backup.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, ObjectKind};
use infra::{
    ArchivedPart, ChangeNote, ChangeOrigin, ChangeWay, ContactOwner, HistoryEntry, KeptAudio, KeptContact,
    NamedSnapshot, Revision, SnapshotHead, TenantFileText,
};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A line. Its kind is the only key of the JSON document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BackupLine {
    /// The first one.
    TrunklineBackup {
        version: u32,
        made_ms: u64,
        program: String,
    },
    /// What follows is this tenant's.
    Tenant {
        id: String,
        revision: u64,
        /// The highest revision of which entries of the history were removed; left out if none were.
        #[serde(default, skip_serializing_if = "is_zero")]
        pruned_revision: u64,
        /// Which tenant of its id it is; left out of one that was there before that was noted, as in backups of then.
        #[serde(default, skip_serializing_if = "is_zero")]
        life: u64,
    },
    Object {
        kind: ObjectKind,
        revision: u64,
        document: Value,
    },
    /// What an object has besides the fields of its kind: behind all objects.
    Annex {
        kind: ObjectKind,
        id: String,
        document: Value,
    },
    /// A recording of a prompt, behind all objects: its WAV file in base64.
    Audio {
        sha256: String,
        wav: String,
    },
    /// A contact of a person of that name, or without one a shared one, behind all objects.
    Contact {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<String>,
        id: String,
        changed_ms: u64,
        document: String,
    },
    Gone {
        kind: ObjectKind,
        id: String,
        revision: u64,
    },
    Entry(EntryLine),
    Snapshot {
        name: String,
        made_ms: u64,
        made_by: String,
        revision: u64,
        file: String,
        /// In version 1 alone; those of today are lines of their own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        documents: Vec<(String, String)>,
    },
    /// Behind a snapshot: one of its documents.
    SnapshotDocument {
        path: String,
        text: String,
    },
    /// Behind a snapshot: how the text before it goes on.
    SnapshotText {
        text: String,
    },
    /// What stands of this tenant, if anything, counts for nothing.
    LeftOut {
        id: String,
        reason: String,
    },
    /// The installation's keys; both in hexadecimal digits.
    Keys {
        salt: String,
        sealed: String,
    },
    /// The last one: the number of lines before it, and their SHA-256 in hexadecimal digits.
    End {
        lines: u64,
        sha256: String,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An entry of a tenant's history.
#[derive(Serialize, Deserialize)]
pub(super) struct EntryLine {
    revision: u64,
    changed_ms: u64,
    changed_by: String,
    way: String,
    /// What is known of where the change came from; backups of releases before have none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    request: Option<String>,
    kind: ObjectKind,
    id: String,
    before: Option<String>,
    after: Option<String>,
    secrets_changed: bool,
}

impl BackupLine {
    /// What it is, for a human reader.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::TrunklineBackup { .. } | Self::End { .. } => "the head or the end of the backup",
            Self::Tenant { .. } | Self::LeftOut { .. } => "the name of a tenant",
            Self::Object { .. } => "an object",
            Self::Annex { .. } => "what an object has besides the fields of its kind",
            Self::Audio { .. } => "a recording of a prompt",
            Self::Contact { .. } => "a contact",
            Self::Gone { .. } => "the name of an object",
            Self::Entry(_) => "an entry of the history",
            Self::Snapshot { .. } | Self::SnapshotDocument { .. } | Self::SnapshotText { .. } => {
                "a piece of a snapshot"
            }
            Self::Keys { .. } => "what is sealed of the keys",
        }
    }

    /// The bytes of a snapshot's texts that are in it; none if it is no line of a snapshot.
    pub fn snapshot_bytes(&self) -> Option<usize> {
        match self {
            Self::Snapshot { file, documents, .. } => {
                Some(documents.iter().fold(file.len(), |sum, (path, text)| sum + path.len() + text.len()))
            }
            Self::SnapshotDocument { path, text } => Some(path.len() + text.len()),
            Self::SnapshotText { text } => Some(text.len()),
            _ => None,
        }
    }

    /// Whether it is one of those that stand behind a tenant's line.
    pub const fn is_part(&self) -> bool {
        matches!(
            self,
            Self::Object { .. }
                | Self::Annex { .. }
                | Self::Audio { .. }
                | Self::Contact { .. }
                | Self::Gone { .. }
                | Self::Entry(_)
                | Self::Snapshot { .. }
        )
    }

    /// The part of a tenant that it is.
    pub fn part(self) -> Result<ArchivedPart, String> {
        Ok(match self {
            Self::Object { kind, revision, document } => {
                let object = Object::from_json(kind, document.to_string().as_bytes());
                let object = object.map_err(|error| format!("the {}: {error}", kind.as_str()))?;
                ArchivedPart::Object(object, Revision(revision))
            }
            Self::Annex { kind, id, document } => {
                let annex = ObjectAnnex::from_json(document.to_string().as_bytes());
                let annex = annex.map_err(|error| format!("of the {} {id}: {error}", kind.as_str()))?;
                ArchivedPart::Annex(ObjectKey { kind, id }, annex)
            }
            Self::Audio { sha256, wav } => ArchivedPart::Audio(recording(sha256, &wav)?),
            Self::Contact { person, id, changed_ms, document } => {
                let owner = person.map_or(ContactOwner::Tenant, ContactOwner::Person);
                ArchivedPart::Contact(owner, KeptContact { id, at: Timestamp::from_millis(changed_ms), document })
            }
            Self::Gone { kind, id, revision } => ArchivedPart::Gone(ObjectKey { kind, id }, Revision(revision)),
            Self::Entry(entry) => ArchivedPart::Entry(entry.entry()),
            Self::Snapshot { name, made_ms, made_by, revision, file, documents } => {
                let at = Timestamp::from_millis(made_ms);
                let head = SnapshotHead { name, at, by: made_by, revision: Revision(revision) };
                ArchivedPart::Snapshot(NamedSnapshot { head, file: TenantFileText(file), documents })
            }
            Self::TrunklineBackup { .. }
            | Self::Tenant { .. }
            | Self::SnapshotDocument { .. }
            | Self::SnapshotText { .. }
            | Self::LeftOut { .. }
            | Self::Keys { .. }
            | Self::End { .. } => return Err("it is no part of a tenant".to_owned()),
        })
    }
}

impl EntryLine {
    pub fn of(entry: HistoryEntry) -> Self {
        Self {
            revision: entry.revision.0,
            changed_ms: entry.note.at.as_millis(),
            changed_by: entry.note.by,
            way: entry.note.way.as_str().to_owned(),
            client: entry.note.origin.client,
            session: entry.note.origin.session,
            source: entry.note.origin.source,
            request: entry.note.request,
            kind: entry.key.kind,
            id: entry.key.id,
            before: entry.before,
            after: entry.after,
            secrets_changed: entry.secrets_changed,
        }
    }

    fn entry(self) -> HistoryEntry {
        let (way, at) = (ChangeWay::named(self.way), Timestamp::from_millis(self.changed_ms));
        let origin = ChangeOrigin { client: self.client, session: self.session, source: self.source };
        HistoryEntry {
            number: 0,
            revision: Revision(self.revision),
            note: ChangeNote { by: self.changed_by, way, origin, at, request: self.request },
            key: ObjectKey { kind: self.kind, id: self.id },
            before: self.before,
            after: self.after,
            secrets_changed: self.secrets_changed,
        }
    }
}

/// A recording, if it is the one whose name it has: by that name media keeps it.
fn recording(sha256: String, wav: &str) -> Result<KeptAudio, String> {
    let wav = BASE64.decode(wav).map_err(|error| format!("the recording {sha256}: {error}"))?;
    let found = digits(<[u8; 32]>::from(Sha256::digest(&wav)));
    if found == sha256 { Ok(KeptAudio { sha256, wav }) } else { Err(format!("the recording {sha256} is another one")) }
}

/// Bytes as hexadecimal digits.
pub(super) fn digits(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub(super) fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
        u8::from_str_radix(text, 16).ok()
    };
    pairs.map(byte).collect()
}
