use std::fs;
use std::os::unix::fs::MetadataExt as _;

use net::tls::self_signed;

use super::*;

/// 2027.
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

struct Lab {
    folder: tempfile::TempDir,
    shown: ShownCertificates,
}

impl Lab {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            shown: ShownCertificates { ends: Gauge::default(), unusable: Gauge::default() },
        }
    }

    fn certificates(&self, identities: &[&str], names: &[&str]) -> Certificates {
        let identities = identities.iter().map(|name| self.folder.path().join(name).display().to_string());
        let files = CertificateFiles {
            identities: identities.map(|text| IdentityFiles::parse(&text)).collect(),
            ..CertificateFiles::default()
        };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Certificates::new(files, self.folder.path(), names, self.shown.clone())
    }

    fn write(&self, name: &str, now: i64) {
        let pem = self_signed::generate(&["edge.example".to_owned()], now).unwrap();
        // Another file each time: two changes within one tick of the kernel's clock would not show.
        let (beside, path) = (self.folder.path().join("new"), self.folder.path().join(name));
        fs::write(&beside, pem).unwrap();
        fs::rename(beside, path).unwrap();
    }

    fn own(&self) -> (String, Identity) {
        let path = self.folder.path().join(OWN_FILE);
        let files = IdentityFiles { chain: path.clone(), key: path.clone() };
        (fs::read_to_string(path).unwrap(), Identity::read(&files).unwrap())
    }
}

#[test]
fn without_a_certificate_one_is_made_and_kept_while_it_is_good() {
    let lab = Lab::new();
    let mut made = lab.certificates(&[], &["192.0.2.1"]);
    made.first(NOW).unwrap();
    assert!(made.renewed(NOW).is_none(), "we have written it ourselves");
    let (text, own) = lab.own();
    assert!(own.is_for("192.0.2.1"));
    let mode = fs::metadata(lab.folder.path().join(OWN_FILE)).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600, "it has a key");
    lab.certificates(&[], &["192.0.2.1"]).first(NOW + DAY).unwrap();
    assert_eq!(lab.own().0, text, "a restart keeps it");
    lab.certificates(&[], &["edge.example"]).first(NOW).unwrap();
    let (text, own) = lab.own();
    assert!(own.is_for("192.0.2.1") && own.is_for("edge.example"), "it is for both");
    lab.certificates(&[], &["edge.example"]).first(own.valid_to() - DAY).unwrap();
    assert_ne!(lab.own().0, text, "it ends soon");
}

#[test]
fn a_changed_file_is_read_and_a_broken_one_is_not_used() {
    let lab = Lab::new();
    lab.write("edge.pem", NOW);
    let mut certificates = lab.certificates(&["edge.pem"], &["edge.example"]);
    certificates.first(NOW).unwrap();
    let ends = lab.shown.ends.get();
    assert!(certificates.renewed(NOW).is_none(), "nothing has changed");
    lab.write("edge.pem", NOW + 400 * DAY);
    assert!(certificates.renewed(NOW).is_some());
    assert!(lab.shown.ends.get() > ends);
    fs::write(lab.folder.path().join("edge.pem"), "half a certific").unwrap();
    assert!(certificates.renewed(NOW).is_none(), "it is broken");
    assert_eq!(lab.shown.unusable.get(), 1);
    fs::remove_file(lab.folder.path().join("edge.pem")).unwrap();
    assert!(certificates.renewed(NOW).is_none());
    lab.write("edge.pem", NOW);
    assert!(certificates.renewed(NOW).is_some());
    assert_eq!((lab.shown.unusable.get(), lab.shown.ends.get()), (0, ends));
    assert!(!lab.folder.path().join(OWN_FILE).exists(), "none of our own was needed");
}

#[test]
fn files_that_cannot_be_used_at_the_start_are_stood_in_for_until_they_can() {
    let lab = Lab::new();
    let mut certificates = lab.certificates(&["edge.pem"], &["edge.example"]);
    certificates.first(NOW).unwrap();
    assert!(lab.own().1.is_for("edge.example"));
    assert_eq!(lab.shown.unusable.get(), 1);
    lab.write("edge.pem", NOW);
    assert!(certificates.renewed(NOW).is_some());
    assert_eq!(lab.shown.unusable.get(), 0);
}
