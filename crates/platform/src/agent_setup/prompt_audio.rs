//! `POST …/prompt-audio` and `GET …/prompt-audio/{sha256}`: recordings for prompts, in and out. Which one a prompt plays in which language is
//! a field of the prompt, and changes as every other.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::v1;
use schemars::JsonSchema;
use serde::Serialize;

use super::answers::SetupRefusal;
use super::provisioning::{Provisioning, SetupCaller};

/// A recording that was taken.
#[derive(Serialize, JsonSchema)]
pub(super) struct AudioKept {
    /// By which prompts name it.
    sha256: String,
    /// Its length in milliseconds.
    length_ms: u32,
    /// How loud its loudest sample is, in decibels: 0 is the loudest possible, all others are below 0.
    peak_db: f64,
    /// Samples a second of the file.
    rate: u32,
    /// Channels of the file.
    channels: u32,
}

/// It has no revision, so nothing is checked but the file: what is played does not change before a prompt names it.
pub(super) async fn keep(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    wav: Bytes,
) -> Result<Json<AudioKept>, SetupRefusal> {
    let asked = asker.asks(v1::KeepPromptAudioRequest { wav })?;
    let kept = provisioning.tables().keep_prompt_audio(asked).await?.into_inner();
    let v1::KeepPromptAudioResponse { sha256, length_ms, peak_db, rate, channels } = kept;
    Ok(Json(AudioKept { sha256, length_ms, peak_db, rate, channels }))
}

pub(super) async fn give(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Path((_, sha256)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, SetupRefusal> {
    let etag = format!("\"{sha256}\"");
    let asked = asker.asks(v1::PromptAudioRequest { sha256 })?;
    // It is read in any case: who asks must be allowed to, and it must be there.
    let wav = provisioning.client().prompt_audio(asked).await?.into_inner().wav;
    let mut response = if net::http::has_already(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "audio/wav")], wav).into_response()
    };
    let told = response.headers_mut();
    told.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        told.insert(header::ETAG, etag);
    }
    Ok(response)
}
