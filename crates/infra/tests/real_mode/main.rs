//! In a process whose stores are servers, no embedded store can be made. A process of its own: the prohibition cannot be undone.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::Arc;

use infra::embedded::{self, Embedded, FileLog, JournalSettings};
use infra::{StoreError, SystemClock};

#[test]
fn where_the_stores_are_servers_nothing_embedded_can_be_made() {
    let folder = std::env::temp_dir().join(format!("trunkline-real-mode-{}", std::process::id()));
    let clock = Arc::new(SystemClock::start());
    drop(FileLog::open(&folder, clock.clone()).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    embedded::forbid();
    let journal = Embedded::open(&folder, JournalSettings::default(), clock.clone()).map(drop);
    let log = FileLog::open(&folder, clock).map(drop);
    for refused in [journal, log] {
        assert!(matches!(&refused, Err(StoreError::Invalid(why)) if why.contains("embedded")), "{refused:?}");
    }
    assert!(!folder.exists(), "nothing is left on the disk");
}
