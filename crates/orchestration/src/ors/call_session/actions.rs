//! Turns the application's actions into requests.

use std::time::Duration;

use model::request::{RequestKind, RouteTo, Treatment};
use model::{Dn, Timestamp, UserData};
use scxml::{Action, ActionNode, Value};

use super::{CallSession, Playing, REDIRECT, Stage, TERMINATE};

/// Most digits collected at once, as in media.
const DIGITS_MAX: f64 = 32.0;
/// The keys that may end a collection.
const KEYS: &str = "0123456789*#ABCD";
/// Seconds to wait for the first digit by default.
const FIRST_DIGIT_S: f64 = 5.0;
/// Seconds to wait between digits by default.
const INTER_DIGIT_S: f64 = 3.0;
/// Longest time that an application may specify, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

impl CallSession {
    pub(super) fn act(&mut self, action: Action, now: Timestamp) {
        let Action { request_id, node, .. } = action;
        let name = format!("{}.{}", node.module, node.name);
        let done = match name.as_str() {
            "queue.submit" => self.submit(&request_id, &node, now),
            "queue.update" => self.update_queue(&node),
            "queue.cancel" => self.cancel_queue(&node, now),
            "dialog.stop" => self.stop_playing(&request_id, now),
            REDIRECT => self.redirect(&request_id, &node, now),
            TERMINATE => {
                let kind = match self.stage {
                    Stage::Waiting => RequestKind::RouteCall(self.conn(), RouteTo::Disconnect),
                    _ => RequestKind::ClearCall(self.conn()),
                };
                self.leave_queue(now);
                self.request(kind, &request_id, &name, now);
                Ok(())
            }
            "interaction.udata" => self.change_user_data(&request_id, &node, now),
            _ => treatment(&node).and_then(|treatment| self.treat(treatment, &request_id, &name, now)),
        };
        if let Err(reason) = done {
            self.tell_failed(&request_id, &name, "invalid", &reason);
        }
    }

    pub(super) fn conn(&self) -> model::ConnId {
        self.caller.call.conn_id
    }

    fn treat(&mut self, treatment: Treatment, request_id: &str, action: &str, now: Timestamp) -> Result<(), String> {
        if self.stage != Stage::Waiting {
            return Err("the call does not wait on the route point".to_owned());
        }
        self.heard_secret |= treatment.is_secret();
        let kind = RequestKind::ApplyTreatment(self.conn(), treatment, None);
        if let Some(reference) = self.request(kind, request_id, action, now) {
            let playing = Playing {
                reference,
                request_id: request_id.to_owned(),
                action: action.to_owned(),
                while_waiting: false,
            };
            self.replace_playing(playing);
        }
        Ok(())
    }

    /// Only one treatment plays at a time: a new one ends the one before, which reports an error.
    fn replace_playing(&mut self, playing: Playing) {
        if let Some(before) = self.playing.replace(playing)
            && !before.while_waiting
        {
            self.pending.retain(|p| p.reference != before.reference);
            self.tell_failed(&before.request_id, &before.action, "replaced", "another treatment took its place");
        }
    }

    pub(super) fn play_while_waiting(&mut self, treatment: Treatment, now: Timestamp) {
        let kind = RequestKind::ApplyTreatment(self.conn(), treatment, None);
        if let Some(reference) = self.request(kind, "", "dialog.runtreatments", now) {
            let (request_id, action) = (String::new(), "dialog.runtreatments".to_owned());
            self.playing = Some(Playing { reference, request_id, action, while_waiting: true });
        }
    }

    fn stop_playing(&mut self, request_id: &str, now: Timestamp) -> Result<(), String> {
        if self.playing.is_none() {
            self.tell_done(request_id, "dialog.stop", []);
            return Ok(());
        }
        self.request(RequestKind::StopTreatment(self.conn()), request_id, "dialog.stop", now);
        Ok(())
    }

    fn redirect(&mut self, request_id: &str, node: &ActionNode, now: Timestamp) -> Result<(), String> {
        let to = node.attribute("to").map(Value::to_display).unwrap_or_default();
        // `7101@switch.DN` names the DN and its kind; the kind is ignored here.
        let number = to.split('@').next().unwrap_or_default();
        let dn = Dn::parse(number).map_err(|e| format!("to: {e}"))?;
        if self.stage != Stage::Waiting {
            return Err("the call does not wait on the route point".to_owned());
        }
        let agent = self.take_selected(&dn);
        let kind = RequestKind::RouteCall(self.conn(), RouteTo::Dn { dn, agent });
        self.request(kind, request_id, REDIRECT, now);
        Ok(())
    }

    fn change_user_data(&mut self, request_id: &str, node: &ActionNode, now: Timestamp) -> Result<(), String> {
        let keys: Vec<String> = match node.attribute("delete") {
            None => Vec::new(),
            Some(Value::List(keys)) => keys.iter().map(Value::to_display).collect(),
            Some(key) => vec![key.to_display()],
        };
        let mut pairs = UserData::new();
        for (key, value) in &node.params {
            match value {
                Value::Number(number) if number.fract() == 0.0 => pairs.set(key, *number as i64),
                value => pairs.set(key, value.to_display()),
            }
        }
        if pairs.is_empty() && keys.is_empty() {
            return Err("there is neither a param nor a key to delete".to_owned());
        }
        if pairs.len() + keys.len() > UserData::PAIRS_MAX {
            return Err(format!("more than {} pairs", UserData::PAIRS_MAX));
        }
        if !pairs.is_empty() {
            let kind = RequestKind::UpdateUserData(self.conn(), pairs);
            self.request(kind, request_id, "interaction.udata", now);
        }
        for key in keys {
            let kind = RequestKind::DeletePair(self.conn(), key);
            self.request(kind, request_id, "interaction.udata", now);
        }
        Ok(())
    }
}

/// The treatment that a dialog element describes.
pub(super) fn treatment(node: &ActionNode) -> Result<Treatment, String> {
    match node.name.as_str() {
        "play" => Ok(Treatment::PlayAnnouncement { prompts: prompts(node)? }),
        "playandcollect" | "collect" => collect(node),
        "playsound" => sound(node),
        "start" => match text(node, "type").as_deref() {
            Some("echo") => Ok(Treatment::Echo),
            Some(other) => Err(format!("type: {other:?} is not supported; use 'echo'")),
            None => Err("type: is absent".to_owned()),
        },
        "createann" => record(node),
        "deleteann" => match text(node, "userannid") {
            Some(announcement) if Treatment::is_announcement_id(&announcement) => {
                Ok(Treatment::DeleteUserAnnouncement { announcement })
            }
            _ => Err("userannid: must be the id of a recorded announcement".to_owned()),
        },
        other => Err(format!("dialog:{other} is not supported here")),
    }
}

/// The key that ends an input, if it is specified.
fn end_key(node: &ActionNode) -> Result<Option<char>, String> {
    match text(node, "termdigit") {
        None => Ok(None),
        Some(text) if text.len() == 1 && KEYS.contains(&text) => Ok(text.chars().next()),
        Some(_) => Err(format!("termdigit: must be one key of {KEYS}")),
    }
}

fn optional_prompts(node: &ActionNode) -> Result<Vec<String>, String> {
    if node.attribute("prompts").is_some() { prompts(node) } else { Ok(Vec::new()) }
}

/// A silence of no time at all ends no recording.
fn record(node: &ActionNode) -> Result<Treatment, String> {
    let silence = within(node, "silence", Treatment::RECORD_SILENCE_MS, Treatment::RECORD_SILENCE_MS_MAX)?;
    Ok(Treatment::RecordUserAnnouncement {
        prompts: optional_prompts(node)?,
        terminator: end_key(node)?.or(Some('#')),
        silence_ms: Some(silence).filter(|ms| *ms > 0),
        max_ms: within(node, "maxtime", Treatment::RECORD_MS, Treatment::RECORD_MS_MAX)?,
    })
}

/// A time in seconds that is at most so many milliseconds.
fn within(node: &ActionNode, name: &str, default_ms: u64, most_ms: u64) -> Result<u64, String> {
    let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
    number(node, name, seconds(default_ms), seconds(most_ms)).map(millis)
}

fn collect(node: &ActionNode) -> Result<Treatment, String> {
    let max_digits = number(node, "maxdigits", 1.0, DIGITS_MAX)?;
    let terminator = end_key(node)?;
    Ok(Treatment::PlayAndCollect {
        prompts: optional_prompts(node)?,
        max_digits: max_digits.max(1.0) as u8,
        first_digit_timeout_ms: millis(number(node, "timeout", FIRST_DIGIT_S, SECONDS_MAX)?),
        inter_digit_timeout_ms: millis(number(node, "interdigittimeout", INTER_DIGIT_S, SECONDS_MAX)?),
        terminator,
        secret: flag(node, "secret")?,
    })
}

/// Whether something holds; not where nothing is said. Nothing is guessed: a secret would be told.
fn flag(node: &ActionNode, name: &str) -> Result<bool, String> {
    match node.attribute(name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("{name}: must be true or false")),
    }
}

fn sound(node: &ActionNode) -> Result<Treatment, String> {
    match text(node, "type").as_deref() {
        Some("music") => Ok(Treatment::Music {
            resource: text(node, "resource").map(prompt_name).ok_or("resource: music needs one")?,
            duration_ms: match node.attribute("duration") {
                None => None,
                Some(_) => Some(millis(number(node, "duration", 0.0, SECONDS_MAX)?.max(1.0))),
            },
        }),
        Some("ringback") => Ok(Treatment::RingBack),
        Some("busy") => Ok(Treatment::Busy),
        Some("fastbusy") => Ok(Treatment::FastBusy),
        Some("silence") => Ok(Treatment::Silence),
        Some(other) => {
            Err(format!("type: {other:?} is not supported; use 'music', 'ringback', 'busy', 'fastbusy' or 'silence'"))
        }
        None => Err("type: is absent".to_owned()),
    }
}

fn prompts(node: &ActionNode) -> Result<Vec<String>, String> {
    let names: Vec<String> = match node.attribute("prompts") {
        Some(Value::List(items)) => items.iter().map(Value::to_display).collect(),
        Some(one) => vec![one.to_display()],
        None => Vec::new(),
    };
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err("prompts: must name at least one prompt".to_owned());
    }
    Ok(names.into_iter().map(prompt_name).collect())
}

/// Prompts are named without their file extension.
fn prompt_name(name: String) -> String {
    name.strip_suffix(".wav").map(str::to_owned).unwrap_or(name)
}

fn text(node: &ActionNode, name: &str) -> Option<String> {
    node.attribute(name).map(Value::to_display)
}

pub(super) fn number(node: &ActionNode, name: &str, default: f64, max: f64) -> Result<f64, String> {
    let Some(value) = node.attribute(name) else { return Ok(default) };
    match value.as_number() {
        Some(number) if (0.0..=max).contains(&number) => Ok(number),
        _ => Err(format!("{name}: must be a number from 0 to {max}")),
    }
}

pub(super) fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}
