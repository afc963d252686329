//! Recordings of prompts: checked, made into what media plays, kept by their SHA-256, and given to media and to pages.
//!
//! A recording is no object: it stands in no history, and whoever may change objects may keep one. What is played is said by prompts, which
//! are objects: one that prompts name is given to who may read one of them.

use contracts::provisioning::{FaultCode, PromptAudio};
use contracts::v1;
use infra::{KeptAudio, StoreError};
use media::wav::{self, upload};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::ObjectServer;
use super::persons::person;
use super::refusals::{ends, of_request, unread};
use crate::broken_rule::BrokenRule;

impl ObjectServer {
    pub(super) async fn audio_kept(
        &self,
        request: Request<v1::KeepPromptAudioRequest>,
    ) -> Result<Response<v1::KeepPromptAudioResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, "")?;
        // One at a time of a tenant: it takes a processor, and tens of megabytes, for a moment.
        let _turn = self.batches.take(&tenant).await.ok_or_else(ends)?;
        let sent = request.into_inner().wav;
        let checked = tokio::task::spawn_blocking(move || checked(&sent)).await.map_err(|_| ends())?;
        let (audio, answer) = checked.map_err(|fault| of_request("wav", BrokenRule::other(fault.to_string())))?;
        self.archive.keep_audio(&tenant, &audio, note.at).await.map_err(not_kept)?;
        let (by, sha256, length_ms) = (note.by.as_str(), audio.sha256.as_str(), answer.length_ms);
        tracing::info!(%tenant, by, sha256, length_ms, "a recording was uploaded");
        Ok(Response::new(answer))
    }

    pub(super) async fn audio_given(
        &self,
        request: Request<v1::PromptAudioRequest>,
    ) -> Result<Response<v1::PromptAudioResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let person = person(&request)?;
        let sha256 = request.into_inner().sha256;
        let missing = || Status::not_found("the tenant has no such recording");
        if !PromptAudio::is_sha256(&sha256) {
            return Err(missing());
        }
        // Who may not see what names it is told the same as of one that is not there.
        if !self.is_recording_seen(&tenant, person, sha256.clone()).await? {
            return Err(missing());
        }
        let found = self.archive.audio(&tenant, &sha256).await.map_err(unread)?.ok_or_else(missing)?;
        Ok(Response::new(v1::PromptAudioResponse { wav: found.wav.into() }))
    }
}

/// A file as it is kept, and what is said of it.
fn checked(sent: &[u8]) -> Result<(KeptAudio, v1::KeepPromptAudioResponse), upload::UploadError> {
    let converted = upload::convert(sent)?;
    let wav = wav::build(&converted.samples);
    let sha256: String = Sha256::digest(&wav).iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = v1::KeepPromptAudioResponse {
        sha256: sha256.clone(),
        length_ms: converted.length_ms(),
        peak_db: converted.peak_db(),
        rate: converted.rate,
        channels: converted.channels.into(),
    };
    Ok((KeptAudio { sha256, wav }, answer))
}

fn not_kept(error: StoreError) -> Status {
    match error {
        // It does not pass by itself: the rule is about what the tenant has.
        StoreError::Full { what, bound } => {
            let words = format!(
                "{what} is full: at most {bound}; recordings go that neither a prompt, nor the history, nor a snapshot names"
            );
            of_request("", BrokenRule::new(FaultCode::TooMany, words).naming("most", bound.to_string()))
        }
        StoreError::Invalid(reason) => Status::invalid_argument(reason),
        error => unread(error),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn the_same_audio_in_another_shape_of_file_is_the_same_recording() {
        let file = wav::build(&[1_000; 4_000]);
        let (audio, answer) = checked(&file).unwrap();
        assert_eq!((audio.wav.as_slice(), answer.length_ms, answer.rate), (file.as_slice(), 500, 8_000));
        assert_eq!((audio.sha256.as_str(), PromptAudio::is_sha256(&audio.sha256)), (answer.sha256.as_str(), true));
        // Behind a chunk that says who has made it.
        let mut other = file.clone();
        drop(other.splice(36..36, *b"LIST\x02\0\0\0me"));
        assert_eq!(checked(&other).unwrap().0, audio);
        assert_eq!(checked(b"text").unwrap_err(), upload::UploadError::NotWav);
    }

    #[test]
    fn a_tenant_without_room_is_told_so_and_not_to_try_again() {
        let full = not_kept(StoreError::Full { what: "the list of the tenant's recordings", bound: 7 });
        assert_eq!((full.code(), full.message().contains("at most 7")), (Code::InvalidArgument, true));
        let away = not_kept(StoreError::Unavailable { reason: "a test".to_owned() });
        assert_eq!(away.code(), Code::Unavailable);
    }
}
