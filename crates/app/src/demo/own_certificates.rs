//! The certificates of our own making, without their keys: for whoever has to be told to trust them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use runtime::data_dir;
use runtime::process::Installation;

/// The web edge's, in the data directory.
const WEB_FILE: &str = "demo-web-ca.pem";

/// The first certificate of a file, as PEM: the key beside it is nobody's business.
pub(super) fn alone(file: &Path) -> Option<String> {
    let pem = std::fs::read_to_string(file).ok()?;
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let from = pem.find(begin)?;
    Some(format!("{}\n", pem.get(from..pem.find(end)? + end.len())?))
}

/// Where that of the web edge is written; none where the settings name certificates, or who issues one.
pub(super) fn of_web(installation: &Installation) -> Option<PathBuf> {
    let set = platform::ingress::certificate_files(&installation.values)?;
    let is_own = set.is_empty() && !platform::ingress::orders_certificate(&installation.values);
    is_own.then(|| installation.data_dir.join(WEB_FILE))
}

/// Writes that of the web edge, which is there once ingress is ready.
pub(super) fn write_that_of_web(installation: &Installation) -> anyhow::Result<()> {
    let own = installation.data_dir.join(platform::ingress::OWN_FILE);
    let (Some(path), Some(certificate)) = (of_web(installation), alone(&own)) else { return Ok(()) };
    data_dir::write_whole(&path, certificate.as_bytes()).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_without_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.pem");
        let pem = net::tls::self_signed::generate(&["localhost".to_owned()], 1_800_000_000).unwrap();
        std::fs::write(&file, pem).unwrap();
        let alone = alone(&file).unwrap();
        assert!(alone.starts_with("-----BEGIN CERTIFICATE-----") && alone.ends_with("-----END CERTIFICATE-----\n"));
        assert!(!alone.contains("PRIVATE KEY"));
        assert_eq!(super::alone(&folder.path().join("none.pem")), None);
    }
}
