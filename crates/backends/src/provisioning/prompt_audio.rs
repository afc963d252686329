//! Uploaded audio of prompts: what a prompt names, and the recordings themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use contracts::provisioning::{Prompt, PromptAudio};
use futures::FutureExt as _;
use infra::bounds::{PROMPT_AUDIO_BYTES_MAX, PROMPT_AUDIO_MAX, PROMPT_AUDIO_UNNAMED_FOR};
use infra::{Answer, ArchivedPart, KeptAudio, PartTaker, PromptAudioStore, Result, StoreError};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Tables, Turn, number, query, tenant_standing};

/// The prompt of a row.
pub(super) fn prompt(row: &Row) -> Result<Prompt> {
    let told = row.text("audio")?;
    let audio: Vec<PromptAudio> = if told.is_empty() {
        Vec::new()
    } else {
        serde_json::from_str(&told).map_err(|error| damaged("table prompt", &error))?
    };
    Ok(Prompt { name: row.text("name")?, file: row.text("file")?, audio })
}

/// The recordings that a prompt names, as its row has them.
pub(super) fn stored(audio: &[PromptAudio]) -> String {
    if audio.is_empty() { String::new() } else { serde_json::to_string(audio).unwrap_or_default() }
}

fn damaged(what: &str, reason: &impl ToString) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), reason: reason.to_string() }
}

impl<D: Dialect> PromptAudioStore for Tables<D> {
    fn keep_audio<'a>(&'a self, tenant: &'a TenantId, audio: &'a KeptAudio, now: Timestamp) -> Answer<'a, ()> {
        async move {
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
            if !has_room(&mut *turn, tenant, audio.wav.len()).await? {
                remove_unnamed(&mut *turn, tenant, now).await?;
                expect_room(&mut *turn, tenant, audio.wav.len()).await?;
            }
            put(&mut *turn, tenant, audio, now).await?;
            turn.commit().await
        }
        .boxed()
    }

    fn audio<'a>(&'a self, tenant: &'a TenantId, sha256: &'a str) -> Answer<'a, Option<KeptAudio>> {
        async move { find(&mut *self.0.reads().await?, tenant, sha256).await }.boxed()
    }
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

async fn has_room(db: &mut dyn Turn, tenant: &TenantId, more: usize) -> Result<bool> {
    match expect_room(db, tenant, more).await {
        Ok(()) => Ok(true),
        Err(StoreError::Full { .. }) => Ok(false),
        Err(error) => Err(error),
    }
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

/// Removes recordings that neither a prompt nor the history names. A snapshot may name any: while there is one, all stay. So does what was
/// uploaded lately, which somebody is about to name.
async fn remove_unnamed(db: &mut dyn Turn, tenant: &TenantId, now: Timestamp) -> Result<()> {
    let sql = "DELETE FROM prompt_audio WHERE tenant = ? AND kept_ms < ?
         AND NOT EXISTS (SELECT 1 FROM tenant_snapshot WHERE tenant_snapshot.tenant = prompt_audio.tenant)
         AND NOT EXISTS (SELECT 1 FROM prompt WHERE prompt.tenant = prompt_audio.tenant
             AND prompt.audio LIKE '%' || prompt_audio.sha256 || '%')
         AND NOT EXISTS (SELECT 1 FROM change_log WHERE change_log.tenant = prompt_audio.tenant
             AND change_log.kind = 'prompt'
             AND (change_log.document_before LIKE '%' || prompt_audio.sha256 || '%'
                 OR change_log.document_after LIKE '%' || prompt_audio.sha256 || '%'))";
    let unnamed_for = u64::try_from(PROMPT_AUDIO_UNNAMED_FOR.as_millis()).unwrap_or(u64::MAX);
    let before = now.as_millis().saturating_sub(unnamed_for);
    db.run(query(sql).bind(tenant.as_str()).bind(number(before))).await.map(drop)
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
