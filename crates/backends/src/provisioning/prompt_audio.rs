//! Uploaded audio of prompts: the recordings themselves.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::FutureExt as _;
use infra::bounds::{PROMPT_AUDIO_BYTES_MAX, PROMPT_AUDIO_MAX, PROMPT_AUDIO_UNNAMED_FOR};
use infra::{Answer, ArchivedPart, KeptAudio, PartTaker, PromptAudioStore, Result, StoreError};
use model::{TenantId, Timestamp};

use super::by_names::NAMES_MAX;
use super::cleared::of_many;
use super::{Dialect, Field, Statement, Tables, Turn, number, query, sealing, snapshots, tenant_standing};

/// The digits of a SHA-256.
const DIGITS: usize = 64;

/// A statement about the recordings that were uploaded before some time and that neither a prompt nor the history names: what was uploaded
/// lately somebody is about to name.
macro_rules! unnamed {
    ($what:literal, $which:literal) => {
        concat!(
            $what,
            " FROM prompt_audio WHERE tenant = ? AND kept_ms < ?
             AND NOT EXISTS (SELECT 1 FROM prompt WHERE prompt.tenant = prompt_audio.tenant
                 AND prompt.audio LIKE '%' || prompt_audio.sha256 || '%')
             AND NOT EXISTS (SELECT 1 FROM change_log WHERE change_log.tenant = prompt_audio.tenant
                 AND change_log.kind = 'prompt'
                 AND (change_log.document_before LIKE '%' || prompt_audio.sha256 || '%'
                     OR change_log.document_after LIKE '%' || prompt_audio.sha256 || '%'))",
            $which
        )
    };
}

fn damaged(what: &str, reason: &impl ToString) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), reason: reason.to_string() }
}

impl<D: Dialect> PromptAudioStore for Tables<D> {
    fn keep_audio<'a>(&'a self, tenant: &'a TenantId, audio: &'a KeptAudio, now: Timestamp) -> Answer<'a, ()> {
        async move {
            match self.kept(tenant, audio, now).await {
                Err(StoreError::Full { .. }) => {
                    self.unnamed_removed(tenant, now).await?;
                    self.kept(tenant, audio, now).await
                }
                done => done,
            }
        }
        .boxed()
    }

    fn forget_audio<'a>(&'a self, tenant: &'a TenantId, now: Timestamp) -> Answer<'a, u64> {
        self.unnamed_removed(tenant, now).boxed()
    }

    fn audio<'a>(&'a self, tenant: &'a TenantId, sha256: &'a str) -> Answer<'a, Option<KeptAudio>> {
        async move { find(&mut *self.0.reads().await?, tenant, sha256).await }.boxed()
    }
}

impl<D: Dialect> Tables<D> {
    /// Keeps a recording if there is room for it.
    async fn kept(&self, tenant: &TenantId, audio: &KeptAudio, now: Timestamp) -> Result<()> {
        let mut turn = self.0.writes(tenant).await?;
        if tenant_standing::life(&mut *turn, tenant).await?.is_none() {
            return Err(StoreError::Invalid(format!("there is no tenant {tenant}")));
        }
        if has(&mut *turn, tenant, &audio.sha256).await? {
            // Whoever uploads it again is about to name it: it stays for as long as a new one.
            let sql = "UPDATE prompt_audio SET kept_ms = ? WHERE tenant = ? AND sha256 = ?";
            let again = query(sql).bind(number(now.as_millis())).bind(tenant.as_str());
            turn.run(again.bind(&audio.sha256)).await?;
            return turn.commit().await;
        }
        expect_room(&mut *turn, tenant, audio.wav.len()).await?;
        put(&mut *turn, tenant, audio, now).await?;
        turn.commit().await
    }

    /// Removes recordings that nothing names, and says how many. No writer waits while they are looked for. Whether a prompt or the history
    /// has come to name one meanwhile is asked again as it goes. A snapshot that is made meanwhile names what prompts name, or have named a
    /// moment before: that the history has.
    async fn unnamed_removed(&self, tenant: &TenantId, now: Timestamp) -> Result<u64> {
        let unnamed_for = u64::try_from(PROMPT_AUDIO_UNNAMED_FOR.as_millis()).unwrap_or(u64::MAX);
        let first = [Field::from(tenant.as_str()), Field::from(number(now.as_millis().saturating_sub(unnamed_for)))];
        let asked = Statement { sql: unnamed!("SELECT sha256", "").into(), fields: first.to_vec() };
        let rows = self.0.reads().await?.rows(asked).await?;
        let unnamed = rows.iter().map(|row| row.text("sha256")).collect::<Result<Vec<_>>>()?;
        let unnamed = self.in_no_snapshot(tenant, unnamed).await?;
        if unnamed.is_empty() {
            return Ok(0);
        }
        let (mut turn, mut removed) = (self.0.writes(tenant).await?, 0);
        for some in unnamed.chunks(NAMES_MAX) {
            let sql = of_many(unnamed!("DELETE", " AND sha256 = ?"), some.len());
            let fields = first.iter().cloned().chain(some.iter().map(Field::from)).collect();
            removed += turn.run(Statement { sql, fields }).await?;
        }
        turn.commit().await?;
        Ok(removed)
    }

    /// Those that no snapshot of the tenant names. One that cannot be opened may name any.
    async fn in_no_snapshot(&self, tenant: &TenantId, mut recordings: Vec<String>) -> Result<Vec<String>> {
        if recordings.is_empty() {
            return Ok(recordings);
        }
        let heads = snapshots::heads(&mut *self.0.reads().await?, tenant).await?;
        for head in heads {
            let found = snapshots::find(&mut *self.0.reads().await?, tenant, &head.name).await?;
            let Some(stored) = found else { continue };
            let opened = match sealing::opened_snapshot(&self.1, tenant, stored).await {
                Err(StoreError::Corrupt { .. }) => return Ok(Vec::new()),
                opened => opened?,
            };
            recordings = sealing::beside(true, move || unnamed_by(&opened.file.0, recordings)).await?;
            if recordings.is_empty() {
                break;
            }
        }
        Ok(recordings)
    }
}

/// Those that the file of a tenant does not name.
fn unnamed_by(file: &str, mut recordings: Vec<String>) -> Vec<String> {
    let words = file.split(|c: char| !c.is_ascii_hexdigit());
    let named: HashSet<&str> = words.filter(|word| word.len() == DIGITS).collect();
    recordings.retain(|sha256| !named.contains(sha256.as_str()));
    recordings
}

async fn has(db: &mut dyn Turn, tenant: &TenantId, sha256: &str) -> Result<bool> {
    let sql = "SELECT sha256 FROM prompt_audio WHERE tenant = ? AND sha256 = ?";
    Ok(!db.rows(query(sql).bind(tenant.as_str()).bind(sha256)).await?.is_empty())
}

/// How many recordings a tenant has, and their bytes.
async fn used(db: &mut dyn Turn, tenant: &TenantId) -> Result<(u64, u64)> {
    let sql = "SELECT count(*) AS recordings, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes
         FROM prompt_audio WHERE tenant = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str())).await?;
    let count = |column| -> Result<u64> {
        let told = rows.first().map(|row| row.get::<i64>(column)).transpose()?;
        Ok(told.and_then(|told| u64::try_from(told).ok()).unwrap_or_default())
    };
    Ok((count("recordings")?, count("bytes")?))
}

/// Refuses a recording for which there is no room beside the others.
async fn expect_room(db: &mut dyn Turn, tenant: &TenantId, more: usize) -> Result<()> {
    let (recordings, bytes) = used(db, tenant).await?;
    if recordings >= PROMPT_AUDIO_MAX {
        return Err(StoreError::Full { what: "the list of the tenant's recordings", bound: PROMPT_AUDIO_MAX });
    }
    if bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)) > PROMPT_AUDIO_BYTES_MAX {
        let what = "the room for the tenant's recordings, in bytes,";
        return Err(StoreError::Full { what, bound: PROMPT_AUDIO_BYTES_MAX });
    }
    Ok(())
}

/// Writes a recording that the tenant does not have.
pub(super) async fn put(db: &mut dyn Turn, tenant: &TenantId, audio: &KeptAudio, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO prompt_audio (tenant, sha256, kept_ms, bytes, wav) VALUES (?, ?, ?, ?, ?)";
    let bytes = u64::try_from(audio.wav.len()).unwrap_or(u64::MAX);
    let row = query(sql).bind(tenant.as_str()).bind(&audio.sha256).bind(number(now.as_millis())).bind(number(bytes));
    db.run(row.bind(BASE64.encode(&audio.wav))).await.map(drop)
}

async fn find(db: &mut dyn Turn, tenant: &TenantId, sha256: &str) -> Result<Option<KeptAudio>> {
    let sql = "SELECT wav FROM prompt_audio WHERE tenant = ? AND sha256 = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(sha256)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let wav = BASE64.decode(row.text("wav")?).map_err(|error| damaged("table prompt_audio", &error))?;
    Ok(Some(KeptAudio { sha256: sha256.to_owned(), wav }))
}

/// Gives every recording of a tenant to `take`, one at a time in memory.
pub(super) async fn archive(db: &mut dyn Turn, tenant: &TenantId, take: &mut PartTaker<'_>) -> Result<()> {
    let sql = "SELECT sha256 FROM prompt_audio WHERE tenant = ? ORDER BY sha256";
    for row in db.rows(query(sql).bind(tenant.as_str())).await? {
        if let Some(audio) = find(db, tenant, &row.text("sha256")?).await? {
            take(ArchivedPart::Audio(audio))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_tenant_names_recordings_in_whatever_marks() {
        let (first, second, third) = ("0a".repeat(32), "1".repeat(64), "ab".repeat(32));
        let file =
            format!("menu: {{audio: [{{language: de, sha256: {first}}}, {{language: en, sha256: \"{second}\"}}]}}");
        let all = vec![first, second, third.clone()];
        assert_eq!(unnamed_by(&file, all), [third]);
    }
}
