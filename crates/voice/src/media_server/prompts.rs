//! Prompts: what was uploaded, a tenant's files, then the installation's, then the built-in ones; announcements that were recorded; and tones.
//!
//! A prompt is named as `prompt:<name>`, `file://<name>.wav` or by its plain name, of which `@<language>` may follow: what was uploaded may
//! be in several languages. Names consist of letters, digits, `-` and `_`, so none leads out of the folder. Files are
//! `prompts/<tenant>/<name>.wav` and `prompts/<name>.wav` in the data directory; a changed file is read again.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use contracts::provisioning::PromptAudio;
use media::session::Prompt;
use media::tone::{self, Signal};
use media::wav;
use model::TenantId;

use super::announcements::Announcements;
use super::uploads::Uploads;

/// Longest name.
const NAME_MAX: usize = 64;
/// Longest prefix of a country (ITU-T E.164).
const COUNTRY_MAX: usize = 3;
/// Largest file: half an hour of 16-bit audio.
const FILE_BYTES_MAX: u64 = 2 * wav::SAMPLES_MAX as u64 + 4_096;
/// The most prompts in the cache.
const CACHED_MAX: usize = 1_024;
/// The most samples in the cache: 256 MB, of which one prompt may use a ninth.
const CACHED_SAMPLES_MAX: usize = 128 << 20;

/// The built-in prompts.
const OWN: [(&str, &[u8]); 16] = [
    ("sales-welcome", include_bytes!("../../../../prompts/sales-welcome.wav")),
    ("support-welcome", include_bytes!("../../../../prompts/support-welcome.wav")),
    ("menu", include_bytes!("../../../../prompts/menu.wav")),
    ("menu-again", include_bytes!("../../../../prompts/menu-again.wav")),
    ("all-busy", include_bytes!("../../../../prompts/all-busy.wav")),
    ("closed", include_bytes!("../../../../prompts/closed.wav")),
    ("logged-in", include_bytes!("../../../../prompts/logged-in.wav")),
    ("logged-out", include_bytes!("../../../../prompts/logged-out.wav")),
    ("ready", include_bytes!("../../../../prompts/ready.wav")),
    ("not-ready", include_bytes!("../../../../prompts/not-ready.wav")),
    ("confirmed", include_bytes!("../../../../prompts/confirmed.wav")),
    ("enter-pin", include_bytes!("../../../../prompts/enter-pin.wav")),
    ("enter-pin-again", include_bytes!("../../../../prompts/enter-pin-again.wav")),
    ("error", include_bytes!("../../../../prompts/error.wav")),
    ("announcement", include_bytes!("../../../../prompts/announcement.wav")),
    ("music", include_bytes!("../../../../prompts/music.wav")),
];

/// The prompts of a node.
#[derive(Debug)]
pub struct Prompts {
    folder: PathBuf,
    announcements: Announcements,
    uploads: Option<Uploads>,
    cached: HashMap<PathBuf, Cached>,
    /// How often a prompt was found.
    found: u64,
    room: usize,
}

#[derive(Debug)]
struct Cached {
    /// When its file was changed.
    changed: Option<SystemTime>,
    prompt: Prompt,
    /// The count of prompts found when it was found last.
    found: u64,
}

impl Cached {
    /// Whether somebody hears it: then nothing is won without it here.
    fn is_played(&self) -> bool {
        Arc::strong_count(&self.prompt.samples) > 1
    }
}

impl Prompts {
    /// Prompts from that folder. Recorded announcements are in the folder beside it.
    pub fn new(folder: PathBuf) -> Self {
        let announcements = Announcements::new(folder.with_file_name("announcements"));
        Self { folder, announcements, uploads: None, cached: HashMap::new(), found: 0, room: CACHED_SAMPLES_MAX }
    }

    /// The same with what was uploaded, which goes before files.
    #[must_use]
    pub fn with_uploads(self, uploads: Uploads) -> Self {
        Self { uploads: Some(uploads), ..self }
    }

    /// The recorded announcements.
    pub fn announcements(&self) -> &Announcements {
        &self.announcements
    }

    /// The beep before a recording.
    pub fn beep(&mut self) -> Option<Prompt> {
        self.keep(PathBuf::from("tone/beep"), None, "beep", || Some(tone::beep()))
    }

    /// The prompt of a URI, for a tenant; `None` if there is none or it cannot be played.
    pub fn find(&mut self, tenant: &TenantId, uri: &str) -> Option<Prompt> {
        if let Some(name) = uri.strip_prefix("tone:") {
            return self.tone(name);
        }
        let (name, language) = named(uri)?;
        let recorded = self.announcements.path(tenant, name);
        if let Some(prompt) = recorded.and_then(|path| self.file(&path, name)) {
            return Some(prompt);
        }
        if let Some(prompt) = self.uploaded(tenant, name, language) {
            return Some(prompt);
        }
        // A tenant's id is also a valid name here, but it need not be a folder's name.
        let of_tenant = name_of(tenant.as_str()).map(|tenant| self.folder.join(tenant));
        let folders = of_tenant.into_iter().chain([self.folder.clone()]);
        for folder in folders {
            if let Some(prompt) = self.file(&folder.join(format!("{name}.wav")), name) {
                return Some(prompt);
            }
        }
        let (_, bytes) = OWN.iter().find(|(own, _)| *own == name)?;
        self.keep(PathBuf::from(format!("own/{name}")), None, name, || wav::parse(bytes).ok())
    }

    /// What was uploaded of a prompt. Its name has the language with it: by that name a successor of this node finds it.
    fn uploaded(&mut self, tenant: &TenantId, name: &str, language: Option<&str>) -> Option<Prompt> {
        let path = self.uploads.as_ref()?.file(tenant, name, language)?;
        let full = language.map_or_else(|| name.to_owned(), |language| format!("{name}@{language}"));
        let found = self.file(&path, &full);
        if found.is_none() {
            tracing::warn!(%tenant, name, path = %path.display(), "the audio of a prompt is not on the disk: a file is played");
            self.uploads.as_ref()?.note_unreadable(tenant, &path);
        }
        found
    }

    /// The tone of that name, or of that name and a country's prefix: `busy.44`.
    fn tone(&mut self, name: &str) -> Option<Prompt> {
        let (signal, country) = name.split_once('.').unwrap_or((name, ""));
        let signal = Signal::from_name(signal)?;
        let is_prefix = country.len() <= COUNTRY_MAX && country.bytes().all(|b| b.is_ascii_digit());
        let samples = || Some(signal.samples(country));
        is_prefix.then(|| self.keep(PathBuf::from(format!("tone/{name}")), None, &format!("tone:{name}"), samples))?
    }

    fn file(&mut self, path: &Path, name: &str) -> Option<Prompt> {
        // A prompt has a few hundred kilobytes and is read once; this blocks the loop for a millisecond.
        let about = fs::metadata(path).ok().filter(|about| about.is_file() && about.len() <= FILE_BYTES_MAX)?;
        let read = || {
            let samples = wav::parse(&fs::read(path).ok()?);
            samples
                .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a prompt cannot be played"))
                .ok()
        };
        self.keep(path.to_owned(), about.modified().ok(), name, read)
    }

    fn keep(
        &mut self,
        key: PathBuf,
        changed: Option<SystemTime>,
        name: &str,
        read: impl FnOnce() -> Option<Vec<i16>>,
    ) -> Option<Prompt> {
        self.found += 1;
        if let Some(cached) = self.cached.get_mut(&key)
            && cached.changed == changed
        {
            cached.found = self.found;
            return Some(cached.prompt.clone());
        }
        let prompt = Prompt { name: name.into(), samples: read()?.into() };
        self.cached.remove(&key);
        self.make_room(prompt.samples.len());
        self.cached.insert(key, Cached { changed, prompt: prompt.clone(), found: self.found });
        Some(prompt)
    }

    /// Drops the prompts that nobody hears, longest unused first, until there is room for another.
    fn make_room(&mut self, samples: usize) {
        let mut kept: usize = self.cached.values().map(|cached| cached.prompt.samples.len()).sum();
        while self.cached.len() >= CACHED_MAX || kept + samples > self.room {
            let unused = self.cached.iter().filter(|(_, cached)| !cached.is_played());
            let Some(key) = unused.min_by_key(|(_, cached)| cached.found).map(|(key, _)| key.clone()) else { return };
            kept -= self.cached.remove(&key).map_or(0, |cached| cached.prompt.samples.len());
        }
    }
}

/// Why a prompt cannot be played from that folder, and the places searched; `None` if it can.
pub fn fault(folder: &Path, tenant: &TenantId, name: &str) -> Option<String> {
    let name = name_of(name)?;
    if Prompts::new(folder.to_owned()).find(tenant, name).is_some() {
        return None;
    }
    let places = [folder.join(tenant.as_str()), folder.to_owned()].map(|folder| folder.join(format!("{name}.wav")));
    let unplayable = places.iter().find(|path| path.exists()).map(|path| match fs::read(path) {
        Ok(bytes) => match wav::parse(&bytes) {
            Ok(_) => format!("{} is larger than {FILE_BYTES_MAX} bytes", path.display()),
            Err(error) => format!("{} cannot be played: {error}", path.display()),
        },
        Err(error) => format!("{} cannot be read: {error}", path.display()),
    });
    let [of_tenant, of_all] = &places;
    let nowhere = || {
        let (of_tenant, of_all) = (of_tenant.display(), of_all.display());
        format!("there is neither {of_tenant} nor {of_all}, and no prompt of that name comes with the program")
    };
    Some(unplayable.unwrap_or_else(nowhere))
}

/// The name in a prompt's URI and the language that is asked for, if they can be such.
fn named(uri: &str) -> Option<(&str, Option<&str>)> {
    match uri.split_once('@') {
        None => Some((name_of(uri)?, None)),
        Some((name, language)) => {
            let language = language.strip_suffix(".wav").unwrap_or(language);
            PromptAudio::is_language(language).then_some(())?;
            Some((name_of(name)?, Some(language)))
        }
    }
}

/// The name in a prompt's URI, if it is one.
pub(super) fn name_of(uri: &str) -> Option<&str> {
    let name = uri.strip_prefix("prompt:").or_else(|| uri.strip_prefix("file://")).unwrap_or(uri);
    let name = name.strip_suffix(".wav").unwrap_or(name);
    let valid = (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    valid.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    #[test]
    fn every_committed_prompt_comes_with_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../prompts");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        for name in files.filter_map(|file| file.strip_suffix(".wav").map(str::to_owned)) {
            assert!(OWN.iter().any(|(own, _)| *own == name), "{name}");
        }
    }

    #[test]
    fn every_prompt_that_comes_with_the_program_can_be_played() {
        let mut prompts = Prompts::new(PathBuf::from("/nonexistent"));
        for (name, _) in OWN {
            let prompt = prompts.find(&tenant("example"), &format!("prompt:{name}")).unwrap();
            assert!(prompt.samples.len() > 4_000, "{name}");
        }
        assert_eq!(prompts.find(&tenant("example"), "tone:ringback").unwrap().samples.len(), 40_000);
        assert!(prompts.find(&tenant("example"), "tone:fastbusy.1").is_some());
        for unknown in ["prompt:unknown", "tone:dial", "tone:busy.4444", "tone:busy.x"] {
            assert!(prompts.find(&tenant("example"), unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_prompt_that_cannot_be_played_is_told_with_where_it_was_looked_for() {
        let folder = std::env::temp_dir().join(format!("trunkline-prompt-faults-{}", std::process::id()));
        fs::create_dir_all(folder.join("acme")).unwrap();
        fs::write(folder.join("broken.wav"), "no audio").unwrap();
        fs::write(folder.join("acme/good.wav"), wav::build(&[1; 10])).unwrap();
        let said = |name: &str| fault(&folder, &tenant("acme"), name);
        assert_eq!((said("menu"), said("good")), (None, None));
        assert!(said("broken").unwrap().contains("broken.wav cannot be played: "));
        let nowhere = said("missing").unwrap();
        assert!(nowhere.contains("acme/missing.wav nor ") && nowhere.contains("comes with the program"), "{nowhere}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_do_not_lead_out_of_the_folder() {
        for uri in ["file:///etc/passwd", "prompt:../../key", "prompt:a/b", "prompt:", "a.wav.wav", "prompt:a\0"] {
            assert_eq!(name_of(uri), None, "{uri}");
        }
        assert_eq!(name_of("file://welcome.wav"), Some("welcome"));
    }

    #[test]
    fn a_tenants_file_goes_before_the_installations_and_a_change_is_seen() {
        let folder = std::env::temp_dir().join(format!("trunkline-prompts-{}", std::process::id()));
        fs::create_dir_all(folder.join("acme")).unwrap();
        fs::write(folder.join("menu.wav"), wav::build(&[1; 10])).unwrap();
        fs::write(folder.join("acme/menu.wav"), wav::build(&[2; 20])).unwrap();
        let mut prompts = Prompts::new(folder.clone());
        assert_eq!(prompts.find(&tenant("acme"), "prompt:menu").unwrap().samples.len(), 20);
        assert_eq!(prompts.find(&tenant("other"), "prompt:menu").unwrap().samples.len(), 10);
        fs::remove_file(folder.join("acme/menu.wav")).unwrap();
        assert_eq!(prompts.find(&tenant("acme"), "prompt:menu").unwrap().samples.len(), 10);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_uploaded_goes_before_files_in_the_language_that_is_asked_for() {
        let folder = std::env::temp_dir().join(format!("trunkline-uploaded-prompts-{}", std::process::id()));
        let uploads = super::super::uploads::tests::kept(&folder, &[("en", &[1; 10]), ("de", &[2; 20])]);
        let mut prompts = Prompts::new(PathBuf::from("/nonexistent")).with_uploads(uploads);
        let mut played = |of: &str, uri: &str| {
            let found = prompts.find(&tenant(of), uri).map(|prompt| (prompt.name.to_string(), prompt.samples.len()));
            found.unwrap_or_default()
        };
        assert_eq!(played("acme", "prompt:menu"), ("menu".to_owned(), 10));
        assert_eq!(played("acme", "prompt:menu@de-AT"), ("menu@de-AT".to_owned(), 20));
        assert_eq!(played("acme", "file://menu@fr.wav").1, 10);
        assert_eq!(played("acme", "prompt:menu@").1, 0, "it is no language");
        assert_eq!(played("acme", "prompt:menu@../x").1, 0);
        assert!(played("other", "prompt:menu@de").1 > 4_000, "of another tenant: the one that comes with the program");
        fs::remove_dir_all(folder).unwrap();
        assert!(played("acme", "prompt:music").1 > 4_000);
    }

    #[test]
    fn an_upload_that_cannot_be_read_is_told_to_whom_fetches_it_again() {
        let folder = std::env::temp_dir().join(format!("trunkline-lost-prompts-{}", std::process::id()));
        let (uploads, mut lost) = super::super::uploads::tests::kept_and_lost(&folder, &[("en", &[1; 10])]);
        let file = uploads.file(&tenant("acme"), "menu", None).unwrap();
        let mut prompts = Prompts::new(PathBuf::from("/nonexistent")).with_uploads(uploads);
        fs::remove_dir_all(folder).unwrap();
        assert!(prompts.find(&tenant("acme"), "prompt:menu").unwrap().samples.len() > 4_000, "the program's own");
        let sha256 = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(lost.try_recv().unwrap(), (tenant("acme"), sha256));
    }

    #[test]
    fn a_full_cache_drops_what_was_not_used_for_longest_and_never_what_is_played() {
        let mut prompts = Prompts::new(PathBuf::from("/nonexistent"));
        let mut find = |room: usize, name: &str| {
            prompts.room = room;
            let prompt = prompts.keep(PathBuf::from(name), None, name, || Some(vec![0; 10])).unwrap();
            let mut kept: Vec<String> = prompts.cached.keys().map(|key| key.display().to_string()).collect();
            kept.sort();
            (prompt, kept.join(" "))
        };
        let (played, _) = find(30, "a");
        for (name, kept) in [("b", "a b"), ("c", "a b c"), ("b", "a b c"), ("d", "a b d"), ("e", "a d e")] {
            assert_eq!(find(30, name).1, kept);
        }
        assert_eq!(find(10, "f").1, "a f", "somebody hears the first");
        drop(played);
        assert_eq!(find(10, "g").1, "g");
    }
}
