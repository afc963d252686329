//! The data directory of an installation: its lock, its keys, the epochs of its nodes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use infra::Clock;
use model::{Epoch, NodeId};

use crate::exit::{Exit, ExitError};
use crate::installation_key::InstallationKey;

/// Whether other processes may use the directory too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// No other process: `up` keeps its stores there.
    Alone,
    /// Other processes that also share: `run ROLE...` of one installation.
    Shared,
}

/// An open data directory. The lock is held until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Secrets are readable by the owner only.
pub(crate) const SECRET_MODE: u32 = 0o600;
/// Directories too.
const DIRECTORY_MODE: u32 = 0o700;
/// Permission bits of group and others.
const OTHERS: u32 = 0o077;
/// The file of the installation's key, below the data directory: the first that a start makes.
pub const INSTALLATION_KEY: &str = "keys/installation.key";
/// The file that is locked.
const LOCK: &str = "lock";

impl DataDir {
    /// Opens and locks the directory; creates it if it is missing.
    pub fn open(path: &Path, sharing: Sharing) -> Result<Self, ExitError> {
        prepare(path)?;
        let lock_path = path.join(LOCK);
        let opened =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(SECRET_MODE).open(&lock_path);
        let file = opened.map_err(|error| unusable(path, &error))?;
        let locked = match sharing {
            Sharing::Alone => file.try_lock(),
            Sharing::Shared => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &file)),
            Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
        }
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Names of the folders below `folder` that a process has locked exclusively.
pub fn in_use_below(folder: &Path) -> Vec<String> {
    let is_held = |path: &Path| {
        File::open(path.join(LOCK)).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    };
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = folders
        .filter(|folder| is_held(&folder.path()))
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whether an installation has begun in this directory.
pub fn has_installation(data_dir: &Path) -> bool {
    data_dir.join(INSTALLATION_KEY).exists()
}

/// The installation's key in `keys/installation.key`, which is created if it is missing.
pub fn installation_key(data_dir: &Path) -> Result<InstallationKey, ExitError> {
    let fresh = || {
        let mut bytes = vec![0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(bytes)
    };
    let bytes = secret(&data_dir.join("keys"), "installation.key", fresh)?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| {
        ExitError::new(Exit::DataDirectory, "keys/installation.key does not have 32 bytes; it was changed by hand")
    })?;
    Ok(InstallationKey::from_bytes(bytes))
}

/// The next epoch of a node: later than the clock and than every epoch written here before.
pub fn next_epoch(data_dir: &Path, node: &NodeId, clock: &dyn Clock, known: Option<Epoch>) -> io::Result<Epoch> {
    let folder = data_dir.join("epochs");
    make_directory(&folder).map_err(io::Error::other)?;
    let path = folder.join(node.as_str());
    let last: u64 = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default();
    let next = clock.now().as_millis().max(last + 1).max(known.unwrap_or_default().0);
    write_whole(&path, next.to_string().as_bytes())?;
    Ok(Epoch(next))
}

/// Writes a file for the owner only, atomically.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("new-{}", unique()?));
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(SECRET_MODE).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// A part of a file's name that no other writer chooses: not in another container with the same process id, nor in another thread.
fn unique() -> io::Result<String> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// Reads a secret, or creates it: the first process wins, the others read its secret.
pub(crate) fn secret(
    folder: &Path,
    name: &str,
    fresh: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, ExitError> {
    make_directory(folder)?;
    let path = folder.join(name);
    let read_or_made = || -> io::Result<Vec<u8>> {
        if let Ok(mut file) = File::open(&path) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        let bytes = fresh()?;
        let beside = folder.join(format!("{name}.new-{}", unique()?));
        write_whole(&beside, &bytes)?;
        // Linking fails if the name exists, so no key is replaced.
        let linked = fs::hard_link(&beside, &path);
        fs::remove_file(&beside)?;
        match linked {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(&path),
            Err(error) => Err(error),
        }
    };
    read_or_made().map_err(|error| unusable(&path, &error))
}

pub(crate) fn make_directory(path: &Path) -> Result<(), ExitError> {
    make_private(path).map_err(|error| unusable(path, &error))
}

/// Creates a folder for the owner only, if it is missing.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
}

/// Creates the data directory for the owner only, if it is missing. An empty one and one with our lock file are closed
/// to others; a folder with other files keeps its permissions, and a warning is logged.
///
/// # Errors
/// If it cannot be created or read.
pub fn prepare(path: &Path) -> Result<(), ExitError> {
    make_directory(path)?;
    let close = || -> io::Result<bool> {
        if fs::metadata(path)?.permissions().mode() & OTHERS == 0 {
            return Ok(true);
        }
        let is_ours = path.join(LOCK).exists() || fs::read_dir(path)?.next().is_none();
        if is_ours {
            fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE))?;
        }
        Ok(is_ours)
    };
    if !close().map_err(|error| unusable(path, &error))? {
        tracing::warn!(path = %path.display(), "others on this machine may look into the data directory: chmod 700 closes it");
    }
    Ok(())
}

/// Refuses a directory without an installation: for commands that create none.
///
/// # Errors
/// If no file of an installation is there.
pub fn expect(path: &Path) -> Result<(), ExitError> {
    // Files left by a start, or by an import before it.
    for name in [LOCK, "keys", "configuration.sqlite"] {
        if is_there(&path.join(name))? {
            return Ok(());
        }
    }
    Err(no_installation(path))
}

/// Whether a file of an installation exists.
///
/// # Errors
/// If its folder is not accessible: then it is unknown whether the file exists.
pub fn is_there(path: &Path) -> Result<bool, ExitError> {
    path.try_exists().map_err(|error| {
        let folder = path.ancestors().skip(1).find(|folder| folder.metadata().is_ok()).unwrap_or(path);
        let owner = folder.metadata().map(|about| about.uid()).unwrap_or_default();
        let message = format!(
            "cannot look into {}: {error}; it is user {owner}'s, so run this as that user: sudo -u '#{owner}' ...",
            folder.display()
        );
        ExitError::new(Exit::DataDirectory, message)
    })
}

pub(crate) fn no_installation(path: &Path) -> ExitError {
    let message = format!(
        "there is no installation in {}: start it once with `trunkline up`, or say where it is by --data-dir or --instance",
        path.display()
    );
    ExitError::new(Exit::DataDirectory, message)
}

pub(crate) fn unusable(path: &Path, error: &io::Error) -> ExitError {
    ExitError::new(Exit::DataDirectory, format!("cannot use {}: {error}", path.display()))
}

fn in_use(path: &Path, lock: &File) -> ExitError {
    let holders = fs::read_to_string("/proc/locks").ok().zip(lock.metadata().ok());
    let holders = holders.map(|(locks, about)| holders_of(about.ino(), &locks)).unwrap_or_default();
    let by = match holders.as_slice() {
        [] => "another process".to_owned(),
        [one] => format!("process {one}"),
        [first, others @ ..] => format!("process {first} and {} more", others.len()),
    };
    let message = format!(
        "the data directory {} is in use by {by}; stop it, or choose another one with --data-dir",
        path.display()
    );
    ExitError::new(Exit::DataDirectory, message)
}

/// The processes that hold a lock on a file, by its inode, from /proc/locks; in order of start.
fn holders_of(inode: u64, locks: &str) -> Vec<u32> {
    let of_row = |row: &str| {
        let cells: Vec<&str> = row.split_whitespace().collect();
        // `2: FLOCK  ADVISORY  WRITE 4711 fe:00:131085 0 EOF`; a waiting process has an arrow behind the number.
        let at = cells.iter().position(|cell| *cell == "FLOCK").filter(|at| *at == 1)?;
        let is_it = cells.get(at + 4)?.rsplit(':').next()?.parse() == Ok(inode);
        is_it.then(|| cells.get(at + 3)?.parse::<u32>().ok())?
    };
    let mut all: Vec<u32> = locks.lines().filter_map(of_row).collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(u64);
    impl Clock for At {
        fn now(&self) -> model::Timestamp {
            model::Timestamp::from_millis(self.0)
        }
    }

    /// A directory of one test, removed at its end.
    struct Folder(PathBuf);
    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("trunkline-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_second_up_on_the_directory_is_refused_in_words() {
        let folder = Folder::new("lock");
        let held = DataDir::open(&folder.0, Sharing::Alone).unwrap();
        let refused = DataDir::open(&folder.0, Sharing::Alone).unwrap_err();
        assert_eq!(refused.exit, Exit::DataDirectory);
        assert!(refused.message.contains(&format!("in use by process {}", std::process::id())), "{refused}");
        assert!(refused.message.contains(&folder.0.display().to_string()), "{refused}");
        assert!(DataDir::open(&folder.0, Sharing::Shared).is_err());
        drop(held);
        // A former holder is not named.
        fs::write(folder.0.join(LOCK), "4711").unwrap();
        let _one = DataDir::open(&folder.0, Sharing::Shared).unwrap();
        let _other = DataDir::open(&folder.0, Sharing::Shared).unwrap();
        let refused = DataDir::open(&folder.0, Sharing::Alone).unwrap_err();
        assert!(refused.message.contains(&format!("in use by process {} and 1 more", std::process::id())), "{refused}");
    }

    #[test]
    fn of_many_who_write_a_file_at_a_time_each_writes_it_whole() {
        let folder = Folder::new("whole");
        prepare(&folder.0).unwrap();
        let path = folder.0.join("file.json");
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                let path = &path;
                scope.spawn(move || (0..8).for_each(|_| write_whole(path, &vec![writer; 100_000]).unwrap()));
            }
        });
        let content = fs::read(&path).unwrap();
        assert!(content.len() == 100_000 && content.iter().all(|byte| *byte == content[0]));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn only_those_who_hold_the_lock_are_named() {
        let locks = "1: FLOCK  ADVISORY  READ 300 fe:00:131085 0 EOF\n2: POSIX  ADVISORY  WRITE 7 fe:00:131085 0 EOF\n\
            3: FLOCK  ADVISORY  READ 200 fe:00:131085 0 EOF\n4: FLOCK  ADVISORY  WRITE 9 fe:00:13108 0 EOF\n\
            1: -> FLOCK  ADVISORY  WRITE 11 fe:00:131085 0 EOF\n";
        assert_eq!(holders_of(131_085, locks), [200, 300]);
    }

    #[test]
    fn keys_are_made_once_and_are_for_the_owner_alone() {
        let folder = Folder::new("keys");
        let first = installation_key(&folder.0).unwrap();
        assert_eq!(installation_key(&folder.0).unwrap().bytes(), first.bytes());
        let mode = fs::metadata(folder.0.join(INSTALLATION_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SECRET_MODE);
    }

    #[test]
    fn a_directory_made_for_us_is_closed_to_others_and_a_foreign_one_is_not_touched() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = Folder::new("closed");
        DirBuilder::new().mode(0o755).create(&folder.0).unwrap();
        prepare(&folder.0).unwrap();
        assert_eq!(mode(&folder.0), DIRECTORY_MODE);

        let foreign = Folder::new("foreign");
        DirBuilder::new().mode(0o755).create(&foreign.0).unwrap();
        fs::write(foreign.0.join("letters.txt"), "of somebody").unwrap();
        fs::set_permissions(&foreign.0, fs::Permissions::from_mode(0o755)).unwrap();
        prepare(&foreign.0).unwrap();
        assert_eq!(mode(&foreign.0), 0o755);
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_installation() {
        let folder = Folder::new("none");
        assert_eq!(expect(&folder.0).unwrap_err().exit, Exit::DataDirectory);
        prepare(&folder.0).unwrap();
        assert!(expect(&folder.0).is_err(), "an empty one neither");
        assert!(fs::read_dir(&folder.0).unwrap().next().is_none(), "nothing was made");
        drop(DataDir::open(&folder.0, Sharing::Alone).unwrap());
        assert!(expect(&folder.0).is_ok());
    }

    #[test]
    fn no_epoch_is_given_twice_even_when_the_clock_goes_back() {
        let folder = Folder::new("epochs");
        let node = NodeId::parse("rq-1").unwrap();
        let next = |clock, known| next_epoch(&folder.0, &node, &At(clock), known).unwrap();
        assert_eq!(next(5_000, None), Epoch(5_000));
        assert_eq!(next(4_000, None), Epoch(5_001));
        assert_eq!(next(4_000, Some(Epoch(9_000))), Epoch(9_000));
        assert_eq!(next(4_000, None), Epoch(9_001));
    }
}
