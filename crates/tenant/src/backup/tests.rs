//! What a backup holds comes back, and what is damaged does not.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Skill};
use infra::{
    ArchiveBegin, ArchivedPart, ChangeNote, ChangeOrigin, ChangeWay, ContactOwner, HistoryEntry, KeptAudio,
    KeptContact, NamedSnapshot, SnapshotHead, TenantFileText, TenantLife,
};
use model::entropy::Seeded;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::line::{BackupLine, digits};
use super::write::BackupWriter;
use super::*;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn head() -> BackupLine {
    BackupLine::TrunklineBackup { version: VERSION, made_ms: 1_700_000_000_000, program: "trunkline x".into() }
}

fn packed(parts: &[ArchivedPart]) -> Vec<u8> {
    let mut writer = BackupWriter::new(Vec::new());
    writer.put(&head()).unwrap();
    for part in parts {
        writer.put_part(&acme(), part.clone()).unwrap();
    }
    writer.finish().unwrap()
}

fn begin(pruned: u64) -> ArchivedPart {
    ArchivedPart::Begin(ArchiveBegin { revision: Revision(9), pruned: Revision(pruned), life: TenantLife(pruned) })
}

/// The parts of the only tenant.
fn unpacked(file: &[u8]) -> Vec<ArchivedPart> {
    let mut reader = BackupReader::new(file);
    let mut parts = Vec::new();
    while let Some(line) = reader.line().unwrap() {
        match line {
            BackupLine::Tenant { revision, pruned_revision, life, .. } => {
                let (revision, pruned) = (Revision(revision), Revision(pruned_revision));
                parts.push(ArchivedPart::Begin(ArchiveBegin { revision, pruned, life: TenantLife(life) }));
            }
            line if line.is_part() => parts.push(line.part().unwrap()),
            _ => {}
        }
    }
    parts
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", any::<String>()]
}

fn ways() -> impl Strategy<Value = ChangeWay> {
    let known = (0..ChangeWay::ALL.len()).prop_map(|at| ChangeWay::ALL[at].clone());
    prop_oneof![known, Just(ChangeWay::Other("telepathy".to_owned()))]
}

fn snapshot(file: String, documents: Vec<(String, String)>) -> ArchivedPart {
    let head = SnapshotHead {
        name: "easter".into(),
        at: Timestamp::from_millis(5),
        by: "user/x".into(),
        revision: Revision(3),
    };
    ArchivedPart::Snapshot(NamedSnapshot { head, file: TenantFileText(file), documents })
}

fn recording(wav: Vec<u8>) -> ArchivedPart {
    ArchivedPart::Audio(KeptAudio { sha256: digits(<[u8; 32]>::from(Sha256::digest(&wav))), wav })
}

#[test]
fn a_recording_that_is_not_the_one_whose_name_it_has_is_refused() {
    let ArchivedPart::Audio(KeptAudio { sha256, .. }) = recording(vec![1]) else { panic!("it is a recording") };
    // The byte 2 in base64.
    let line = BackupLine::Audio { sha256, wav: "Ag==".to_owned() };
    assert!(line.part().unwrap_err().ends_with(" is another one"));
}

fn part() -> impl Strategy<Value = ArchivedPart> {
    let key = |id| ObjectKey { kind: ObjectKind::Person, id };
    prop_oneof![
        (text(), any::<u64>()).prop_map(|(name, at)| ArchivedPart::Object(Object::Skill(Skill { name }), Revision(at))),
        (text(), any::<u64>()).prop_map(move |(id, at)| ArchivedPart::Gone(key(id), Revision(at))),
        (text(), text(), any::<Option<String>>(), any::<u32>(), ways()).prop_map(move |(id, by, before, at, way)| {
            ArchivedPart::Entry(HistoryEntry {
                number: 0,
                revision: Revision(7),
                note: ChangeNote {
                    origin: ChangeOrigin { source: before.clone(), session: Some(by.clone()), client: None },
                    by,
                    way,
                    at: Timestamp::from_millis(at.into()),
                    request: before.clone(),
                },
                key: key(id),
                after: before.clone().filter(|text| text.len() > 3),
                before,
                secrets_changed: at.is_multiple_of(2),
            })
        }),
        (text(), any::<Vec<(String, String)>>()).prop_map(|(file, documents)| snapshot(file, documents)),
        any::<Vec<u8>>().prop_map(recording),
        (any::<Option<String>>(), text(), text(), any::<u32>()).prop_map(|(person, id, document, at)| {
            let owner = person.map_or(ContactOwner::Tenant, ContactOwner::Person);
            ArchivedPart::Contact(owner, KeptContact { id, at: Timestamp::from_millis(at.into()), document })
        }),
    ]
}

proptest! {
    #[test]
    fn parts_come_back_as_they_were(parts in prop::collection::vec(part(), 0..20)) {
        let parts = [vec![begin(3)], parts].concat();
        prop_assert_eq!(unpacked(&packed(&parts)), parts);
    }

    #[test]
    fn a_file_that_is_cut_off_or_changed_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let gone = ObjectKey { kind: ObjectKind::Skill, id: "x".into() };
        let parts = [begin(0), ArchivedPart::Gone(gone, Revision(2))];
        let whole = packed(&parts);
        prop_assert!(examine(BackupReader::new(whole.as_slice())).is_ok());
        let at = at.index(whole.len());
        prop_assert!(examine(BackupReader::new(&whole[..at])).is_err());
        let mut changed = whole.clone();
        changed[at] ^= 1 << bit;
        // What gzip keeps of its file's time and system, and bits that fill the last byte, say nothing about the content.
        if examine(BackupReader::new(changed.as_slice())).is_ok() {
            prop_assert_eq!(unpacked(&changed), parts.to_vec());
        }
    }
}

#[test]
fn a_snapshot_comes_back_however_large_its_texts_are() {
    // A character of two bytes stands where the first piece would end.
    let long = format!("{}é{}", "x".repeat(TEXT_BYTES_MAX - 1), "\u{1}".repeat(2 * TEXT_BYTES_MAX));
    let documents = vec![
        ("empty".to_owned(), String::new()),
        ("long".to_owned(), long.clone()),
        ("long".to_owned(), "again".to_owned()),
    ];
    let parts = [begin(0), snapshot(long, documents), snapshot(String::new(), Vec::new())];
    let file = packed(&parts);
    assert_eq!(unpacked(&file), parts);
    let summary = examine(BackupReader::new(file.as_slice())).unwrap();
    assert_eq!(summary.tenants[0].snapshots, 2);
}

#[test]
fn a_snapshot_of_version_1_is_one_line() {
    let mut writer = BackupWriter::new(Vec::new());
    writer.put(&BackupLine::TrunklineBackup { version: 1, made_ms: 1, program: "x".into() }).unwrap();
    writer.put(&BackupLine::Tenant { id: "acme".into(), revision: 9, pruned_revision: 0, life: 0 }).unwrap();
    let documents = vec![("a".to_owned(), "b".to_owned())];
    let (name, made_by, file) = ("easter".into(), "user/x".into(), "tenant: acme".to_owned());
    let line = BackupLine::Snapshot {
        name,
        made_ms: 5,
        made_by,
        revision: 3,
        file: file.clone(),
        documents: documents.clone(),
    };
    writer.put(&line).unwrap();
    let parts = [begin(0), snapshot(file, documents)];
    assert_eq!(unpacked(&writer.finish().unwrap()), parts);
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let mut writer = BackupWriter::new(Vec::new());
    writer.put(&head()).unwrap();
    let gone = ObjectKey { kind: ObjectKind::Skill, id: "x".repeat(LINE_BYTES_MAX) };
    let refused = writer.put_part(&acme(), ArchivedPart::Gone(gone, Revision(1))).unwrap_err().to_string();
    assert!(refused.starts_with("the name of an object has 134217"), "{refused}");
    // The line is as if it had never been.
    assert!(examine(BackupReader::new(writer.finish().unwrap().as_slice())).is_ok());
}

#[test]
fn what_stands_of_a_tenant_that_is_left_out_counts_for_nothing() {
    let tenant = |id: &str| BackupLine::Tenant { id: id.into(), revision: 1, pruned_revision: 0, life: 0 };
    let part = || BackupLine::Gone { kind: ObjectKind::Skill, id: "x".into(), revision: 1 };
    let left_out = |id: &str| BackupLine::LeftOut { id: id.into(), reason: "it is damaged".into() };
    let examined = |lines: &[BackupLine]| {
        let mut writer = BackupWriter::new(Vec::new());
        lines.iter().for_each(|line| writer.put(line).unwrap());
        examine(BackupReader::new(writer.finish().unwrap().as_slice()))
    };
    let summary = examined(&[
        head(),
        tenant("acme"),
        part(),
        tenant("bolt"),
        part(),
        left_out("bolt"),
        left_out("coil"),
        tenant("dent"),
    ]);
    let summary = summary.unwrap();
    assert_eq!(summary.tenants.iter().map(|held| held.tenant.as_str()).collect::<Vec<_>>(), ["acme", "dent"]);
    assert_eq!(summary.left_out.iter().map(|one| one.tenant.as_str()).collect::<Vec<_>>(), ["bolt", "coil"]);
    let refused = |lines: &[BackupLine]| examined(lines).unwrap_err().to_string();
    let behind = [head(), tenant("acme"), left_out("acme"), part()];
    assert_eq!(refused(&behind), "line 4 of the backup: it belongs to no tenant");
    let twice = [head(), tenant("acme"), left_out("bolt"), tenant("bolt")];
    assert_eq!(refused(&twice), "line 4 of the backup: tenant bolt is there twice");
    let text = BackupLine::SnapshotText { text: "x".into() };
    assert_eq!(refused(&[head(), tenant("acme"), text]), "line 3 of the backup: it goes on with no snapshot");
}

#[test]
fn what_is_no_backup_is_told_with_its_line() {
    let refused = |lines: &[BackupLine]| {
        let mut writer = BackupWriter::new(Vec::new());
        lines.iter().for_each(|line| writer.put(line).unwrap());
        examine(BackupReader::new(writer.finish().unwrap().as_slice())).unwrap_err().to_string()
    };
    let later = BackupLine::TrunklineBackup { version: VERSION + 1, made_ms: 1, program: "x".into() };
    let tenant = || BackupLine::Tenant { id: "acme".into(), revision: 1, pruned_revision: 0, life: 0 };
    let part = || BackupLine::Gone { kind: ObjectKind::Skill, id: "x".into(), revision: 1 };
    assert!(refused(&[later]).starts_with("line 1 of the backup: it is of a later release"));
    assert_eq!(refused(&[tenant()]), "line 1 of the backup: it is not the head of a backup");
    assert_eq!(refused(&[head(), part()]), "line 2 of the backup: it belongs to no tenant");
    assert_eq!(refused(&[head(), tenant(), tenant()]), "line 3 of the backup: tenant acme is there twice");
    assert_eq!(refused(&[head(), head()]), "line 2 of the backup: it is a second head");
    let plain = examine(BackupReader::new(&b"tenant: acme\n"[..])).unwrap_err();
    assert!(plain.to_string().starts_with("line 1 of the backup: it cannot be read"), "{plain}");
}

#[test]
fn keys_are_opened_by_their_passphrase_alone() {
    let files = [
        KeyFile { path: "installation.key".into(), content: vec![0, 7, 255] },
        KeyFile { path: "public/x.json".into(), content: Vec::new() },
    ];
    let sealed = SealedKeys::seal(&files, "tall green kettle", &mut Seeded::new(5)).unwrap();
    assert_eq!(sealed.open("tall green kettle").unwrap(), files);
    assert!(matches!(sealed.open("tall red kettle"), Err(BackupError::Passphrase)));
    let mut writer = BackupWriter::new(Vec::new());
    writer.put(&head()).unwrap();
    let keys =
        BackupLine::Keys { salt: line::digits(sealed.salt), sealed: line::digits(sealed.sealed.iter().copied()) };
    writer.put(&keys).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(sealed_keys(BackupReader::new(file.as_slice())).unwrap(), Some(sealed));
    assert!(examine(BackupReader::new(file.as_slice())).unwrap().has_keys);
}
