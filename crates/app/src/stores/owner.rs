//! Which stores the installation of a data directory has, noted there by its processes. A command that was not given
//! the installation's settings would otherwise read and write other stores, and nobody would notice.

use std::io;
use std::path::Path;

use runtime::data_dir;
use runtime::exit::{Exit, ExitError};
use runtime::process::stores::Mode;

/// The file within the data directory.
const FILE: &str = "stores-mode";

/// Notes the stores that a process of the installation opens.
///
/// # Errors
/// If the note cannot be read or written.
pub fn note(data_dir: &Path, mode: Mode) -> Result<(), ExitError> {
    let noted = read(data_dir)?;
    if noted.as_deref() == Some(mode.as_str()) {
        return Ok(());
    }
    if let Some(before) = noted {
        tracing::warn!(
            before,
            now = mode.as_str(),
            "stores.mode has changed: tenants and calls of the stores before are not in these"
        );
    }
    data_dir::write_whole(&data_dir.join(FILE), mode.as_str().as_bytes()).map_err(|error| unusable(data_dir, &error))
}

/// Refuses stores that are not those of the installation.
///
/// # Errors
/// If its processes have opened others, or the note cannot be read.
pub fn expect(data_dir: &Path, mode: Mode) -> Result<(), ExitError> {
    match read(data_dir)? {
        Some(noted) if noted != mode.as_str() => {
            let text = format!(
                "{}: the installation here has stores.mode = {noted:?}, this command {:?}: give it the same --settings (or --set, or environment)",
                data_dir.display(),
                mode.as_str(),
            );
            Err(ExitError::new(Exit::Settings, text))
        }
        _ => Ok(()),
    }
}

/// Whether processes of an installation have opened stores with this data directory.
///
/// # Errors
/// If the note cannot be read.
pub fn is_noted(data_dir: &Path) -> Result<bool, ExitError> {
    Ok(read(data_dir)?.is_some())
}

fn read(data_dir: &Path) -> Result<Option<String>, ExitError> {
    match std::fs::read_to_string(data_dir.join(FILE)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(data_dir, &error)),
    }
}

fn unusable(data_dir: &Path, error: &io::Error) -> ExitError {
    ExitError::new(Exit::DataDirectory, format!("{}: {error}", data_dir.join(FILE).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_other_stores_than_the_installation_is_refused_and_told_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        expect(folder.path(), Mode::Embedded).expect("nothing has run here yet");
        note(folder.path(), Mode::Real).unwrap();
        expect(folder.path(), Mode::Real).unwrap();
        let refused = expect(folder.path(), Mode::Embedded).unwrap_err();
        assert_eq!(refused.exit, Exit::Settings);
        assert!(refused.to_string().contains("--settings"), "{refused}");
        note(folder.path(), Mode::Embedded).unwrap();
        expect(folder.path(), Mode::Embedded).expect("a process with changed settings counts");
    }
}
