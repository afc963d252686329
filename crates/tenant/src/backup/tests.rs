//! What a backup holds comes back, and what is damaged does not.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Skill};
use infra::{ArchivedPart, ChangeNote, ChangeWay, HistoryEntry, NamedSnapshot, SnapshotHead, TenantFileText};
use model::entropy::Seeded;
use proptest::prelude::*;

use super::line::BackupLine;
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
        writer.put(&BackupLine::of(&acme(), part.clone()).unwrap()).unwrap();
    }
    writer.finish().unwrap()
}

/// The parts of the only tenant.
fn unpacked(file: &[u8]) -> Vec<ArchivedPart> {
    let mut reader = BackupReader::new(file);
    let mut parts = Vec::new();
    while let Some(line) = reader.line().unwrap() {
        match line {
            BackupLine::Tenant { revision, .. } => parts.push(ArchivedPart::Begin(Revision(revision))),
            line if line.is_part() => parts.push(line.part().unwrap()),
            _ => {}
        }
    }
    parts
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", any::<String>()]
}

fn part() -> impl Strategy<Value = ArchivedPart> {
    let key = |id| ObjectKey { kind: ObjectKind::Person, id };
    prop_oneof![
        (text(), any::<u64>()).prop_map(|(name, at)| ArchivedPart::Object(Object::Skill(Skill { name }), Revision(at))),
        (text(), any::<u64>()).prop_map(move |(id, at)| ArchivedPart::Gone(key(id), Revision(at))),
        (text(), text(), any::<Option<String>>(), any::<u32>(), 0..ChangeWay::ALL.len()).prop_map(
            move |(id, by, before, at, way)| {
                let at = Timestamp::from_millis(at.into());
                ArchivedPart::Entry(HistoryEntry {
                    number: 0,
                    revision: Revision(7),
                    note: ChangeNote { by, way: ChangeWay::ALL[way], at, request: before.clone() },
                    key: key(id),
                    after: before.clone().filter(|text| text.len() > 3),
                    before,
                    secrets_changed: way % 2 == 0,
                })
            }
        ),
        (text(), text(), any::<Vec<(String, String)>>()).prop_map(|(name, file, documents)| {
            let head = SnapshotHead { name, at: Timestamp::from_millis(5), by: "user/x".into(), revision: Revision(3) };
            ArchivedPart::Snapshot(NamedSnapshot { head, file: TenantFileText(file), documents })
        }),
    ]
}

proptest! {
    #[test]
    fn parts_come_back_as_they_were(parts in prop::collection::vec(part(), 0..20)) {
        let parts = [vec![ArchivedPart::Begin(Revision(9))], parts].concat();
        prop_assert_eq!(unpacked(&packed(&parts)), parts);
    }

    #[test]
    fn a_file_that_is_cut_off_or_changed_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let gone = ObjectKey { kind: ObjectKind::Skill, id: "x".into() };
        let parts = [ArchivedPart::Begin(Revision(9)), ArchivedPart::Gone(gone, Revision(2))];
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
fn what_is_no_backup_is_told_with_its_line() {
    let refused = |lines: &[BackupLine]| {
        let mut writer = BackupWriter::new(Vec::new());
        lines.iter().for_each(|line| writer.put(line).unwrap());
        examine(BackupReader::new(writer.finish().unwrap().as_slice())).unwrap_err().to_string()
    };
    let later = BackupLine::TrunklineBackup { version: VERSION + 1, made_ms: 1, program: "x".into() };
    let tenant = || BackupLine::Tenant { id: "acme".into(), revision: 1 };
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
