//! Uploaded recordings of prompts. Config tells which prompts name which (own-04); each is fetched from tenant once, by its SHA-256 (own-37),
//! and kept on the disk, so that a call never waits for one.
//!
//! What a prompt plays changes when all of its recordings are here: until then it plays what it played before. Whoever hears a recording
//! goes on hearing it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::{Object, ObjectKind, Prompt, PromptAudio};
use contracts::v1;
use contracts::v1::provisioning_client::ProvisioningClient;
use media::wav::{self, WavError};
use model::TenantId;
use net::configuration::{Configuration, Tenants};
use net::grpc::Channel;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};
use tonic::{Code, Status};

/// The connections to config and tenant, and the port of the latter.
const CONFIG: &str = "own-04";
const TENANT: &str = "own-37";
const TENANT_PORT: u16 = 8888;
/// What is followed of the configuration.
const KINDS: &[ObjectKind] = &[ObjectKind::Prompt];
/// The largest answer: a recording has five megabytes at most.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// How long tenant may take for a recording.
const FETCH_WITHIN: Duration = Duration::from_secs(10);
/// The pause before what is missing is asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Recordings that could not be read and wait for a turn: of more the next call tells.
const LOST_MAX: usize = 64;
/// The most bytes of recordings on the disk: those of sixteen tenants that use all the room they have.
const KEPT_BYTES_MAX: u64 = 8 << 30;

runtime::metrics! {
    /// Metrics of uploaded recordings.
    #[derive(Clone)]
    pub struct Metrics {
        /// Recordings that prompts name and that are not here: what was played before is played, or a file.
        missing: Gauge = "media_recordings_of_prompts_missing";
        /// Recordings that were fetched from tenant.
        fetched: Counter = "media_recordings_of_prompts_fetched";
    }
}

/// Prompts with the recordings that can be played, by tenant and name.
type Playable = HashMap<TenantId, HashMap<String, Prompt>>;

/// A recording of a tenant: its SHA-256.
type Recording = (TenantId, String);

/// The uploaded recordings that can be played.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: PathBuf,
    playable: watch::Receiver<Arc<Playable>>,
    /// Where it is told which ones could not be read.
    lost: mpsc::Sender<Recording>,
}

impl Uploads {
    /// Begins to fetch recordings. The role is not ready before config has told which there are.
    ///
    /// # Errors
    /// When the role does not declare the connections.
    pub fn follow(ctx: &RoleContext) -> anyhow::Result<Self> {
        let configuration = Configuration::follow(ctx, CONFIG, KINDS)?;
        let client = ProvisioningClient::new(net::grpc::channel(ctx, TENANT, TENANT_PORT)?);
        let folder = ctx.data_dir.join("uploaded-prompts");
        let (publish, playable) = watch::channel(Arc::default());
        let (lost, told_lost) = mpsc::channel(LOST_MAX);
        let fetcher = Fetcher {
            client: client.max_decoding_message_size(ANSWER_BYTES_MAX),
            configuration,
            folder: folder.clone(),
            publish,
            lost: told_lost,
            here: HashMap::new(),
            missing: HashSet::new(),
            failed: HashSet::new(),
            metrics: Metrics::register(&ctx.metrics),
        };
        ctx.spawn("uploaded prompts", fetcher.run(ctx.clone()));
        Ok(Self { folder, playable, lost })
    }

    /// The file of the recording that a prompt plays in a language; none if nothing that is here was uploaded for it.
    pub fn file(&self, tenant: &TenantId, name: &str, language: Option<&str>) -> Option<PathBuf> {
        let playable = self.playable.borrow().clone();
        let audio = playable.get(tenant)?.get(name)?.audio_in(language)?;
        file_of(&self.folder, tenant, &audio.sha256)
    }

    /// Says that a file of a tenant's recording cannot be read: it is fetched again.
    pub fn note_unreadable(&self, tenant: &TenantId, file: &Path) {
        if let Some(sha256) = file.file_stem().and_then(|stem| stem.to_str()) {
            // Where many wait already, the next call says it again.
            let _ = self.lost.try_send((tenant.clone(), sha256.to_owned()));
        }
    }
}

/// Where a recording is; none if a name in it leads elsewhere.
fn file_of(folder: &Path, tenant: &TenantId, sha256: &str) -> Option<PathBuf> {
    let tenant = Some(tenant.as_str()).filter(|name| !name.starts_with('.') && !name.contains(['/', '\\']))?;
    PromptAudio::is_sha256(sha256).then(|| folder.join(tenant).join(format!("{sha256}.wav")))
}

/// Why a recording is not here.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("tenant is silent")]
    Silent,
    #[error("tenant does not give it: {0}")]
    Refused(Box<Status>),
    #[error("tenant has given another one")]
    Other,
    #[error("it cannot be played")]
    Unplayable(#[from] WavError),
    #[error("there are {KEPT_BYTES_MAX} bytes of recordings here already")]
    Full,
    #[error("it cannot be kept on the disk")]
    Disk(#[from] io::Error),
}

impl FetchError {
    /// Whether no other one can be fetched now either.
    fn concerns_all(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Refused(status) => matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded),
            _ => false,
        }
    }
}

/// Fetches what prompts name, and removes what they name no more.
struct Fetcher {
    client: ProvisioningClient<Channel>,
    configuration: Configuration,
    folder: PathBuf,
    publish: watch::Sender<Arc<Playable>>,
    /// Those that could not be read when they were to be played.
    lost: mpsc::Receiver<Recording>,
    /// The recordings on the disk with their bytes.
    here: HashMap<Recording, u64>,
    /// Those that could not be fetched at the last attempt.
    missing: HashSet<Recording>,
    /// Those of them that were asked for in vain: they are asked for last.
    failed: HashSet<Recording>,
    metrics: Metrics,
}

impl Fetcher {
    async fn run(mut self, ctx: RoleContext) -> anyhow::Result<()> {
        let folder = self.folder.clone();
        self.here = tokio::task::spawn_blocking(move || on_disk(&folder)).await?;
        let mut changes = self.configuration.changes();
        loop {
            let tenants = changes.borrow_and_update().clone();
            if self.configuration.has_answered() {
                self.turn(&tenants).await;
            }
            let again = tokio::time::sleep(AGAIN_AFTER);
            let is_waiting = !self.missing.is_empty();
            tokio::select! {
                () = ctx.drain.ended() => return Ok(()),
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                Some(lost) = self.lost.recv() => { self.here.remove(&lost); }
                () = again, if is_waiting => {}
            }
        }
    }

    /// Brings what can be played up to date.
    async fn turn(&mut self, tenants: &Tenants) {
        // What was named at the last turn may be about to be opened; what was not then is opened by nobody.
        self.remove_unnamed(tenants).await;
        self.tell(tenants);
        let (mut missing, mut failed) = (HashSet::new(), HashSet::new());
        let wanted = in_order(recordings(tenants).filter(|one| !self.here.contains_key(one)), &self.failed);
        let mut is_given_up = false;
        for recording in wanted {
            if is_given_up || missing.contains(&recording) || self.here.contains_key(&recording) {
                missing.extend((!self.here.contains_key(&recording)).then_some(recording));
                continue;
            }
            match self.fetch(&recording).await {
                Ok(bytes) => {
                    self.metrics.fetched.inc();
                    self.here.insert(recording, bytes);
                    self.tell(tenants);
                }
                Err(error) => {
                    is_given_up = error.concerns_all();
                    self.note_missing(&recording, &error);
                    failed.insert(recording.clone());
                    missing.insert(recording);
                }
            }
        }
        self.metrics.missing.set(i64::try_from(missing.len()).unwrap_or(i64::MAX));
        (self.missing, self.failed) = (missing, failed);
    }

    /// Logged once for each that is missing.
    fn note_missing(&self, recording: &Recording, error: &FetchError) {
        let (tenant, sha256) = recording;
        if self.missing.contains(recording) {
            tracing::debug!(%tenant, sha256, %error, "the audio of a prompt is still missing");
        } else {
            let error: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(%tenant, sha256, error, "the audio of a prompt is missing: what was played before is played, or a file");
        }
    }

    /// Says what can be played now.
    fn tell(&self, tenants: &Tenants) {
        let before = self.publish.borrow().clone();
        let next = playable(&before, tenants, |recording| self.here.contains_key(recording));
        if *before != next {
            self.publish.send_replace(Arc::new(next));
        }
    }

    async fn fetch(&self, recording: &Recording) -> Result<u64, FetchError> {
        let (tenant, sha256) = recording;
        let file = file_of(&self.folder, tenant, sha256).ok_or(FetchError::Other)?;
        if self.here.values().sum::<u64>() >= KEPT_BYTES_MAX {
            return Err(FetchError::Full);
        }
        let asked = tonic::Request::new(v1::PromptAudioRequest { sha256: sha256.clone() });
        let mut client = self.client.clone();
        let asking = client.prompt_audio(net::grpc::for_tenant(asked, tenant));
        let answer = tokio::time::timeout(FETCH_WITHIN, asking).await.map_err(|_| FetchError::Silent)?;
        let wav = answer.map_err(|status| FetchError::Refused(Box::new(status)))?.into_inner().wav;
        let sha256 = sha256.clone();
        let kept = tokio::task::spawn_blocking(move || keep(&file, &sha256, &wav)).await;
        // It fails when the process ends.
        kept.map_err(io::Error::other)?
    }

    /// Removes recordings that no prompt names, now or as it is played.
    async fn remove_unnamed(&mut self, tenants: &Tenants) {
        let played = self.publish.borrow().clone();
        let of_played = played.iter().flat_map(|(tenant, prompts)| {
            let audio = prompts.values().flat_map(|prompt| &prompt.audio);
            audio.map(move |audio| (tenant.clone(), audio.sha256.clone()))
        });
        let named: HashSet<Recording> = recordings(tenants).chain(of_played).collect();
        let unnamed: Vec<Recording> = self.here.keys().filter(|one| !named.contains(*one)).cloned().collect();
        if unnamed.is_empty() {
            return;
        }
        for one in &unnamed {
            self.here.remove(one);
        }
        let files: Vec<PathBuf> =
            unnamed.iter().filter_map(|(tenant, sha256)| file_of(&self.folder, tenant, sha256)).collect();
        let removed = tokio::task::spawn_blocking(move || {
            for file in files {
                if let Err(error) = fs::remove_file(&file) {
                    tracing::warn!(path = %file.display(), %error, "a recording that no prompt names stays on the disk");
                }
            }
        });
        // It fails when the process ends.
        let _ = removed.await;
    }
}

/// The recordings that prompts name, as often as they do.
fn recordings(tenants: &Tenants) -> impl Iterator<Item = Recording> + '_ {
    tenants.iter().flat_map(|(tenant, config)| {
        let prompts = config.of_kind(ObjectKind::Prompt).filter_map(as_prompt);
        prompts.flat_map(|prompt| &prompt.audio).map(move |audio| (tenant.clone(), audio.sha256.clone()))
    })
}

/// What is wanted, with what was asked for in vain at its end: one that tenant refuses keeps no other one waiting.
fn in_order(wanted: impl Iterator<Item = Recording>, failed: &HashSet<Recording>) -> Vec<Recording> {
    let (last, mut first): (Vec<_>, Vec<_>) = wanted.partition(|recording| failed.contains(recording));
    first.extend(last);
    first
}

fn as_prompt(object: &Object) -> Option<&Prompt> {
    if let Object::Prompt(prompt) = object { Some(prompt) } else { None }
}

/// What can be played: of a prompt all of it where it is here, else what was played before, else those languages that are here.
fn playable(before: &Playable, tenants: &Tenants, is_here: impl Fn(&Recording) -> bool) -> Playable {
    let of_tenant = |tenant: &TenantId, prompt: &Prompt| -> Option<Prompt> {
        let is_here = |audio: &PromptAudio| is_here(&(tenant.clone(), audio.sha256.clone()));
        let is_whole = |prompt: &&Prompt| prompt.audio.iter().all(&is_here);
        let was = || before.get(tenant).and_then(|prompts| prompts.get(&prompt.name)).filter(is_whole);
        let mut found = Some(prompt).filter(is_whole).or_else(was).unwrap_or(prompt).clone();
        found.audio.retain(&is_here);
        Some(found).filter(|found| !found.audio.is_empty() && !prompt.audio.is_empty())
    };
    let with_audio = tenants.iter().map(|(tenant, config)| {
        let prompts = config.of_kind(ObjectKind::Prompt).filter_map(as_prompt);
        let found = prompts.filter_map(|prompt| Some((prompt.name.clone(), of_tenant(tenant, prompt)?)));
        (tenant.clone(), found.collect::<HashMap<_, _>>())
    });
    with_audio.filter(|(_, prompts)| !prompts.is_empty()).collect()
}

// === the disk ===

/// The recordings that earlier runs have left. A file that is not what its name says is removed, so that it is fetched again.
fn on_disk(folder: &Path) -> HashMap<Recording, u64> {
    let mut found = HashMap::new();
    for of_tenant in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(tenant) = of_tenant.file_name().to_str().and_then(|name| TenantId::parse(name).ok()) else { continue };
        for file in fs::read_dir(of_tenant.path()).into_iter().flatten().flatten() {
            let name = file.file_name();
            let sha256 = name.to_str().and_then(|name| name.strip_suffix(".wav"));
            let Some(sha256) = sha256.filter(|sha256| PromptAudio::is_sha256(sha256)) else { continue };
            let path = file.path();
            match bytes_of(&path, sha256) {
                Ok(Some(bytes)) => {
                    found.insert((tenant.clone(), sha256.to_owned()), bytes);
                }
                Ok(None) => {
                    tracing::warn!(path = %path.display(), "a recording is damaged: it is fetched again if a prompt names it");
                    if let Err(error) = fs::remove_file(&path) {
                        tracing::warn!(path = %path.display(), %error, "a damaged recording stays on the disk");
                    }
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "a recording cannot be read"),
            }
        }
    }
    found
}

/// The number of bytes of a file that is the recording it is said to be; none of another one.
fn bytes_of(file: &Path, sha256: &str) -> io::Result<Option<u64>> {
    let mut wav = Vec::new();
    // What is too long for a recording need not be read to its end.
    let bytes = fs::File::open(file)?.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut wav)?;
    Ok((sha256_of(&wav) == sha256).then_some(bytes as u64))
}

fn sha256_of(wav: &[u8]) -> String {
    Sha256::digest(wav).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps a recording that is the one it is said to be and can be played; the number of its bytes.
fn keep(file: &Path, sha256: &str, wav: &[u8]) -> Result<u64, FetchError> {
    if sha256_of(wav) != sha256 {
        return Err(FetchError::Other);
    }
    wav::parse(wav)?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = file.with_extension("part");
    let written = fs::File::create(&part).and_then(|mut out| {
        out.write_all(wav)?;
        out.sync_all()
    });
    written.and_then(|()| fs::rename(&part, file)).inspect_err(|_| {
        // Whatever was written is in the way of the next one.
        let _ = fs::remove_file(&part);
    })?;
    Ok(u64::try_from(wav.len()).unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(super) mod tests;
