//! What one rule does to the headers of a message.

use regex::Regex;

use super::facts::Facts;
use super::template::{Template, Unmade};
use super::{EditOutcome, EditRefusal, Idle, PLACES_MAX, RESULT_MAX};
use crate::header::HeaderName;
use crate::message::{LineEdit, Message};
use crate::parse::trim;

/// The change of a rule.
#[derive(Clone, Debug)]
pub(super) enum HeaderChange {
    Add(Template),
    Set(Template),
    Remove(Option<Regex>),
    Rewrite(Template, Regex),
}

impl HeaderChange {
    /// Makes the change, all of it or nothing.
    pub(super) fn make(&self, header: &HeaderName, message: &mut Message, facts: &Facts) -> EditOutcome {
        match self.edits(header, message, facts) {
            Ok(edits) => take(header, message, edits),
            Err(Unmade::Idle(why)) => EditOutcome::Idle(why),
            Err(Unmade::Refused(refusal)) => EditOutcome::Refused(refusal),
        }
    }

    /// What becomes of each line of that header, and the line that follows them.
    fn edits(&self, header: &HeaderName, message: &Message, facts: &Facts) -> Result<Edits, Unmade> {
        let lines = message.headers(header);
        Ok(match self {
            Self::Add(value) => {
                Edits { lines: lines.map(|_| LineEdit::Keep).collect(), added: written(value, message, facts)? }
            }
            Self::Set(value) => {
                let value = written(value, message, facts)?;
                if lines.eq(value.as_deref()) {
                    return Err(Unmade::Idle(Idle::Same));
                }
                Edits { lines: message.headers(header).map(|_| LineEdit::Remove).collect(), added: value }
            }
            Self::Remove(pattern) => {
                let is_found = |pattern: &Regex, line: &str| line.len() <= RESULT_MAX && pattern.is_match(line);
                let is_meant = |line: &str| pattern.as_ref().is_none_or(|pattern| is_found(pattern, line));
                let edit = |line| if is_meant(line) { LineEdit::Remove } else { LineEdit::Keep };
                Edits { lines: lines.map(edit).collect(), added: None }
            }
            Self::Rewrite(with, pattern) => {
                let edits: Result<_, _> = lines.map(|line| rewritten(line, pattern, with, message, facts)).collect();
                Edits { lines: edits?, added: None }
            }
        })
    }
}

/// What becomes of the lines of a header.
struct Edits {
    lines: Vec<LineEdit>,
    added: Option<String>,
}

fn take(header: &HeaderName, message: &mut Message, Edits { lines, added }: Edits) -> EditOutcome {
    let changed = lines.iter().filter(|edit| **edit != LineEdit::Keep).count();
    if changed == 0 && added.is_none() {
        return EditOutcome::Idle(if lines.is_empty() { Idle::Absent } else { Idle::Unmatched });
    }
    let written = lines.iter().filter_map(|edit| match edit {
        LineEdit::Replace(value) => Some(value.len()),
        LineEdit::Keep | LineEdit::Remove => None,
    });
    // The old lines count too: what is a little too careful is simple.
    let written = written.chain(added.as_ref().map(String::len)).map(|value| header.as_str().len() + value + 4).sum();
    if !message.has_room_for(written, usize::from(added.is_some())) {
        return EditOutcome::Refused(EditRefusal::Full);
    }
    message.edit_lines(header, lines);
    if let Some(value) = added {
        message.append(header, value);
    }
    EditOutcome::Changed(changed.max(1))
}

/// The value of a rule; none if it is empty.
fn written(value: &Template, message: &Message, facts: &Facts) -> Result<Option<String>, Unmade> {
    let mut text = String::new();
    value.write(&mut text, message, facts, None)?;
    clean(text)
}

fn rewritten(
    line: &str,
    pattern: &Regex,
    with: &Template,
    message: &Message,
    facts: &Facts,
) -> Result<LineEdit, Unmade> {
    if line.len() > RESULT_MAX {
        return Err(Unmade::Refused(EditRefusal::TooLong));
    }
    let (mut text, mut end) = (String::new(), 0);
    for found in pattern.captures_iter(line).take(PLACES_MAX) {
        let Some(whole) = found.get(0) else { continue };
        text.push_str(line.get(end..whole.start()).unwrap_or_default());
        with.write(&mut text, message, facts, Some(&found))?;
        end = whole.end();
    }
    text.push_str(line.get(end..).unwrap_or_default());
    if text == line {
        return Ok(LineEdit::Keep);
    }
    // A line without a value would say nothing, or break a list.
    Ok(clean(text)?.map_or(LineEdit::Remove, LineEdit::Replace))
}

/// A value that can stand in a line; none if nothing is left of it.
fn clean(text: String) -> Result<Option<String>, Unmade> {
    if text.len() > RESULT_MAX {
        return Err(Unmade::Refused(EditRefusal::TooLong));
    }
    if text.chars().any(|character| character.is_control() && character != '\t') {
        return Err(Unmade::Refused(EditRefusal::Control));
    }
    let text = trim(&text);
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
