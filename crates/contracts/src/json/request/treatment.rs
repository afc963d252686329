//! Treatments in frames.

use model::event::ErrorCode;
use model::request::{DigitsWanted, Treatment};
use serde_json::{Value as Json, json};

use super::fields::{Fields, prompt_name};
use crate::json::FrameError;

pub(super) fn read_treatment(fields: &Fields<'_>) -> Result<Treatment, FrameError> {
    let parameters = fields.object("Parameters")?;
    let parameters = Fields(&parameters);
    match fields.text("TreatmentType")? {
        "PlayAnnouncement" => Ok(Treatment::PlayAnnouncement { prompts: parameters.prompts()? }),
        "Music" => Ok(Treatment::Music {
            resource: prompt_name("resource", parameters.text("resource")?.to_owned())?,
            duration_ms: parameters.number("duration_ms")?,
        }),
        "PlayAnnouncementAndDigits" => {
            let prompts = parameters.prompts()?;
            let wanted = DigitsWanted { prompts, ..read_collect(&parameters)? };
            let treatment = Treatment::from(wanted);
            Ok(if parameters.flag("secret")? { treatment.in_secret() } else { treatment })
        }
        "Echo" => Ok(Treatment::Echo),
        "RingBack" => Ok(Treatment::RingBack),
        "Busy" => Ok(Treatment::Busy),
        "FastBusy" => Ok(Treatment::FastBusy),
        "Silence" => Ok(Treatment::Silence),
        "RecordUserAnnouncement" => read_record(&parameters),
        "DeleteUserAnnouncement" => {
            let announcement = parameters.text("user_ann_id")?.to_owned();
            if !Treatment::is_announcement_id(&announcement) {
                return Err(FrameError::invalid("user_ann_id", "it is not the id of a recorded announcement"));
            }
            Ok(Treatment::DeleteUserAnnouncement { announcement })
        }
        other => {
            Err(FrameError::new("TreatmentType", ErrorCode::UNSUPPORTED, format_args!("{other} is not supported")))
        }
    }
}

/// What is recorded, and until when.
fn read_record(parameters: &Fields<'_>) -> Result<Treatment, FrameError> {
    let silence_ms = match parameters.number("silence_ms")? {
        Some(0) => None,
        given => Some(within(
            "silence_ms",
            given.unwrap_or(Treatment::RECORD_SILENCE_MS),
            (Treatment::RECORD_SILENCE_MS_MIN, Treatment::RECORD_SILENCE_MS_MAX),
        )?),
    };
    let max_ms = parameters.number("max_ms")?.unwrap_or(Treatment::RECORD_MS);
    Ok(Treatment::RecordUserAnnouncement {
        prompts: optional_prompts(parameters)?,
        terminator: match parameters.optional_text("terminator")? {
            None => Some('#'),
            Some(text) => terminator(text)?,
        },
        silence_ms,
        max_ms: within("max_ms", max_ms, (Treatment::RECORD_MS_MIN, Treatment::RECORD_MS_MAX))?,
    })
}

fn within(field: &str, ms: u64, (least, most): (u64, u64)) -> Result<u64, FrameError> {
    if (least..=most).contains(&ms) {
        Ok(ms)
    } else {
        Err(FrameError::invalid(field, format_args!("it is not from {least} to {most}")))
    }
}

fn optional_prompts(parameters: &Fields<'_>) -> Result<Vec<String>, FrameError> {
    if parameters.optional("prompts").is_some() { parameters.prompts() } else { Ok(Vec::new()) }
}

/// The key that ends an input; none if the text is empty.
fn terminator(text: &str) -> Result<Option<char>, FrameError> {
    match text.chars().collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [one @ ('0'..='9' | '*' | '#' | 'A'..='D')] => Ok(Some(*one)),
        _ => Err(FrameError::invalid("terminator", "it is no key: one of 0 to 9, *, #, A to D")),
    }
}

pub(super) fn read_collect(parameters: &Fields<'_>) -> Result<DigitsWanted, FrameError> {
    let max_digits = parameters.number("max_digits")?.unwrap_or(1);
    let end_key = parameters.optional_text("terminator")?;
    Ok(DigitsWanted {
        prompts: optional_prompts(parameters)?,
        max_digits: u8::try_from(max_digits).map_err(|_| FrameError::invalid("max_digits", "it is above 255"))?,
        first_digit_timeout_ms: parameters.number("first_digit_timeout_ms")?.unwrap_or(5_000),
        inter_digit_timeout_ms: parameters.number("inter_digit_timeout_ms")?.unwrap_or(3_000),
        terminator: end_key.map(terminator).transpose()?.flatten(),
    })
}

/// The name and the parameters.
pub(super) fn treatment_to_json(treatment: &Treatment) -> (&'static str, Json) {
    match treatment {
        Treatment::PlayAnnouncement { prompts } => ("PlayAnnouncement", json!({ "prompts": prompts })),
        Treatment::Music { resource, duration_ms: None } => ("Music", json!({ "resource": resource })),
        Treatment::Music { resource, duration_ms } => {
            ("Music", json!({ "resource": resource, "duration_ms": duration_ms }))
        }
        Treatment::PlayAndCollect {
            prompts,
            max_digits,
            first_digit_timeout_ms,
            inter_digit_timeout_ms,
            terminator,
            secret,
        } => {
            let mut parameters = json!({
                "prompts": prompts,
                "max_digits": max_digits,
                "first_digit_timeout_ms": first_digit_timeout_ms,
                "inter_digit_timeout_ms": inter_digit_timeout_ms,
            });
            if let Some(terminator) = terminator {
                parameters["terminator"] = json!(terminator);
            }
            if *secret {
                parameters["secret"] = json!(true);
            }
            ("PlayAnnouncementAndDigits", parameters)
        }
        Treatment::Echo => ("Echo", json!({})),
        Treatment::RingBack => ("RingBack", json!({})),
        Treatment::Busy => ("Busy", json!({})),
        Treatment::FastBusy => ("FastBusy", json!({})),
        Treatment::Silence => ("Silence", json!({})),
        Treatment::RecordUserAnnouncement { prompts, terminator, silence_ms, max_ms } => {
            let terminator = terminator.map(String::from).unwrap_or_default();
            let silence_ms = silence_ms.unwrap_or_default();
            let parameters =
                json!({ "prompts": prompts, "terminator": terminator, "silence_ms": silence_ms, "max_ms": max_ms });
            ("RecordUserAnnouncement", parameters)
        }
        Treatment::DeleteUserAnnouncement { announcement } => {
            ("DeleteUserAnnouncement", json!({ "user_ann_id": announcement }))
        }
    }
}
