//! The files of the folder `keys` of the data directory.

use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use runtime::data_dir;
use runtime::exit::{Exit, ExitError};
use tenant::backup::KeyFile;

/// The folder.
const KEYS: &str = "keys";
/// What processes lock; it holds nothing.
const LOCK: &str = "lock";
/// The largest file, in bytes, and the most files: what was revoked is the largest.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILES_MAX: usize = 1_024;

/// All of them.
pub(super) fn read(data_dir: &Path) -> anyhow::Result<Vec<KeyFile>> {
    data_dir::expect(data_dir)?;
    let (root, mut files) = (data_dir.join(KEYS), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let cannot = || format!("cannot read {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_passing = path.extension().is_some_and(|end| end.to_string_lossy().starts_with("new-"));
            if is_passing || path.file_name().is_some_and(|name| name == LOCK) {
                continue;
            }
            let size = path.metadata().with_context(cannot)?.len();
            anyhow::ensure!(
                size <= FILE_BYTES_MAX && files.len() < FILES_MAX,
                "{} is no folder of keys",
                root.display()
            );
            let content = std::fs::read(&path).with_context(cannot)?;
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(KeyFile { path: name, content });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Refuses a data directory that has keys of its own: what they have signed and sealed would be void.
pub(super) fn expect_none(data_dir: &Path) -> Result<(), ExitError> {
    if data_dir::has_installation(data_dir) {
        let message = format!("an installation has begun in {} and has keys of its own", data_dir.display());
        return Err(ExitError::new(Exit::DataDirectory, message));
    }
    Ok(())
}

/// Writes them for the owner alone; the installation's own key last, since its file says that the folder is whole.
pub(super) fn write(data_dir: &Path, files: &[KeyFile]) -> anyhow::Result<()> {
    data_dir::prepare(data_dir)?;
    let root = data_dir.join(KEYS);
    let (last, first): (Vec<&KeyFile>, Vec<&KeyFile>) =
        files.iter().partition(|file| data_dir::INSTALLATION_KEY.strip_prefix("keys/") == Some(file.path.as_str()));
    for file in first.into_iter().chain(last) {
        let below = PathBuf::from(&file.path);
        let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
        anyhow::ensure!(
            is_below && !file.path.is_empty(),
            "a key of the backup leads out of the folder: {}",
            file.path
        );
        let path = root.join(below);
        let cannot = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(cannot)?;
        }
        data_dir::write_whole(&path, &file.content).with_context(cannot)?;
    }
    Ok(())
}
