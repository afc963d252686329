//! The kill switch: applications whose clients are to send nothing, by the settings and by an operator while the role runs.
//!
//! What an operator has switched stands in a file of the data directory: it outlives the process, and all processes of the role with
//! that directory follow it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

/// Every application.
pub(super) const ALL: &str = "*";

/// Below the data directory.
const FOLDER: &str = "telemetry";
const FILE: &str = "switched.json";
const LOCK: &str = "switched.lock";
/// Of a file that counts: there are as many entries as applications.
const BYTES_MAX: u64 = 1 << 20;

/// What an operator has switched: whether an application is off. It goes before the settings.
type Switched = BTreeMap<String, bool>;

/// The kill switch.
#[derive(Debug)]
pub(super) struct KillSwitch {
    off_by_settings: BTreeSet<String>,
    switched: RwLock<Switched>,
    /// Held from the reading of the file until what it says is taken over: what was read earlier must not come after what was read later.
    reading: Mutex<()>,
    folder: PathBuf,
}

impl KillSwitch {
    /// With these off by the settings, and what was switched before in this data directory.
    pub fn open(off: impl IntoIterator<Item = String>, data_dir: &Path) -> Self {
        let off_by_settings = off.into_iter().collect();
        let folder = data_dir.join(FOLDER);
        let switch = Self { off_by_settings, switched: RwLock::default(), reading: Mutex::default(), folder };
        switch.follow();
        switch
    }

    /// Whether an application is off.
    pub fn is_off(&self, app: &str) -> bool {
        let switched = self.switched.read().unwrap_or_else(PoisonError::into_inner);
        let is = |name: &str| switched.get(name).copied().unwrap_or_else(|| self.off_by_settings.contains(name));
        is(app) || is(ALL)
    }

    /// Switches an application, or all of them: `*` on ends only what `*` off began. Waits for the disk.
    pub fn set(&self, app: &str, is_off: bool) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        // Another process may switch at the same time.
        let lock = File::create(self.folder.join(LOCK))?;
        lock.lock()?;
        // Of a file that is damaged this process may still know what it said.
        let mut switched = self.read().unwrap_or_else(|_| self.known());
        switched.insert(app.to_owned(), is_off);
        let json = serde_json::to_vec_pretty(&switched).map_err(io::Error::other)?;
        runtime::data_dir::write_whole(&self.folder.join(FILE), &json)?;
        self.take(switched);
        Ok(())
    }

    /// Takes over what another process has switched. Waits for the disk.
    pub fn follow(&self) {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read() {
            Ok(switched) => self.take(switched),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let file = self.folder.join(FILE);
                tracing::warn!(%error, file = %file.display(), "what was switched off is not known: switch it again");
            }
        }
    }

    fn read(&self) -> io::Result<Switched> {
        let file = File::open(self.folder.join(FILE))?;
        serde_json::from_reader(io::BufReader::new(io::Read::take(file, BYTES_MAX))).map_err(io::Error::other)
    }

    fn known(&self) -> Switched {
        self.switched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, switched: Switched) {
        *self.switched.write().unwrap_or_else(PoisonError::into_inner) = switched;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(off: &[&str], data_dir: &Path) -> KillSwitch {
        KillSwitch::open(off.iter().map(|app| (*app).to_owned()), data_dir)
    }

    #[test]
    fn one_or_all_are_off() {
        let folder = tempfile::tempdir().unwrap();
        let switch = open(&["softphone"], folder.path());
        assert!(switch.is_off("softphone") && !switch.is_off("wwe_ui"));
        switch.set(ALL, true).unwrap();
        switch.set("softphone", false).unwrap();
        assert!(switch.is_off("softphone") && switch.is_off("wwe_ui"));
        switch.set(ALL, false).unwrap();
        assert!(!switch.is_off("softphone"));
    }

    #[test]
    fn what_was_switched_outlives_the_process_and_reaches_others() {
        let folder = tempfile::tempdir().unwrap();
        let other = open(&["softphone"], folder.path());
        let switch = open(&["softphone"], folder.path());
        switch.set("softphone", false).unwrap();
        switch.set("wwe_ui", true).unwrap();
        assert!(other.is_off("softphone") && !other.is_off("wwe_ui"));
        other.follow();
        for switch in [&other, &open(&["softphone"], folder.path())] {
            assert!(!switch.is_off("softphone") && switch.is_off("wwe_ui"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let switch = open(&["softphone"], folder.path());
        switch.set("wwe_ui", true).unwrap();
        std::fs::write(folder.path().join(FOLDER).join(FILE), "{").unwrap();
        switch.follow();
        assert!(switch.is_off("softphone") && switch.is_off("wwe_ui"));
        // The next one to be switched brings what is known back into the file.
        switch.set("softphone", false).unwrap();
        for switch in [&switch, &open(&["softphone"], folder.path())] {
            assert!(!switch.is_off("softphone") && switch.is_off("wwe_ui"));
        }
    }
}
