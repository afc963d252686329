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
            read_collect(&parameters).map(|wanted| DigitsWanted { prompts, ..wanted }.into())
        }
        "Echo" => Ok(Treatment::Echo),
        "RingBack" => Ok(Treatment::RingBack),
        "Busy" => Ok(Treatment::Busy),
        "FastBusy" => Ok(Treatment::FastBusy),
        "Silence" => Ok(Treatment::Silence),
        other => {
            Err(FrameError::new("TreatmentType", ErrorCode::UNSUPPORTED, format_args!("{other} is not supported")))
        }
    }
}

pub(super) fn read_collect(parameters: &Fields<'_>) -> Result<DigitsWanted, FrameError> {
    let max_digits = parameters.number("max_digits")?.unwrap_or(1);
    let terminator = parameters.optional_text("terminator")?;
    Ok(DigitsWanted {
        prompts: if parameters.optional("prompts").is_some() { parameters.prompts()? } else { Vec::new() },
        max_digits: u8::try_from(max_digits).map_err(|_| FrameError::invalid("max_digits", "it is above 255"))?,
        first_digit_timeout_ms: parameters.number("first_digit_timeout_ms")?.unwrap_or(5_000),
        inter_digit_timeout_ms: parameters.number("inter_digit_timeout_ms")?.unwrap_or(3_000),
        terminator: match terminator.map(|t| t.chars().collect::<Vec<_>>()).as_deref() {
            None | Some([]) => None,
            Some([one @ ('0'..='9' | '*' | '#' | 'A'..='D')]) => Some(*one),
            Some(_) => return Err(FrameError::invalid("terminator", "it is no key: one of 0 to 9, *, #, A to D")),
        },
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
            ("PlayAnnouncementAndDigits", parameters)
        }
        Treatment::Echo => ("Echo", json!({})),
        Treatment::RingBack => ("RingBack", json!({})),
        Treatment::Busy => ("Busy", json!({})),
        Treatment::FastBusy => ("FastBusy", json!({})),
        Treatment::Silence => ("Silence", json!({})),
    }
}
