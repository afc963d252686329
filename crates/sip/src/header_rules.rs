//! Rules that change headers of the INVITEs of a trunk: what carriers want that differ from others, without a change of the program.
//!
//! Rules apply in order, each to what the ones before have left. No rule changes what leads a message, names its dialog, describes its
//! body, proves a password or is a signature (`protected`), and none makes a message that could not be read: then it changes nothing and says why.

mod edit;
mod facts;
mod protected;
mod template;

use std::fmt;

use model::ConnId;
use regex::RegexBuilder;
use thiserror::Error;

use crate::header::HeaderName;
use crate::message::Message;
use crate::parse::is_token;
use edit::HeaderChange;
use facts::Facts;
use template::{Template, TemplateError};

/// The most rules of a trunk: each is a pass over the headers of every INVITE.
pub const HEADER_RULES_MAX: usize = 32;
/// The longest `value` and `replace` of a rule, in bytes.
pub const VALUE_MAX: usize = 512;
/// The longest pattern, in bytes.
pub const HEADER_PATTERN_MAX: usize = 256;
/// The longest value that a rule makes, in bytes: far below what a line may have, so that the way of the message leaves room.
pub const RESULT_MAX: usize = 4_096;
/// The longest name of a header, in bytes.
const HEADER_NAME_MAX: usize = 64;
/// The most memory of a compiled pattern, in bytes. What a pattern costs grows with it and with the line.
const PATTERN_BYTES_MAX: usize = 64 << 10;
/// The most places of a line that a rule rewrites.
const PLACES_MAX: usize = 64;

/// Which INVITEs a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleDirection {
    /// Those that go to the carrier.
    Sent,
    /// Those that come from the carrier.
    Received,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditAction {
    /// Adds a line behind those that are there.
    Add,
    /// Leaves one line, with this value.
    Set,
    /// Removes the lines; with a pattern, those whose value it finds.
    Remove,
    /// Replaces what the pattern finds in each line.
    Rewrite,
}

impl EditAction {
    /// As in a tenant's file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Set => "set",
            Self::Remove => "remove",
            Self::Rewrite => "rewrite",
        }
    }
}

/// A rule as it was written.
#[derive(Clone, Copy, Debug)]
pub struct RuleText<'a> {
    /// Which INVITEs it is about.
    pub on: RuleDirection,
    /// What it does.
    pub action: EditAction,
    /// The header.
    pub header: &'a str,
    /// The value that is added or set.
    pub value: Option<&'a str>,
    /// What is looked for.
    pub pattern: Option<&'a str>,
    /// What takes the place of what was found; none: nothing.
    pub replace: Option<&'a str>,
}

/// Why a rule cannot be used. Its author is to blame.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum HeaderRuleError {
    /// The name is no `token` (RFC 3261 §25.1), or too long.
    #[error("{0:?} is not the name of a header")]
    Name(String),
    /// The header must stay as it is.
    #[error("{header} cannot be changed: {why}")]
    Protected {
        /// Its long name.
        header: String,
        /// What it is for.
        why: &'static str,
    },
    /// A key that the action needs.
    #[error("`{action}` needs `{key}`")]
    Missing {
        /// The action.
        action: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that the action has no use for.
    #[error("`{action}` has no `{key}`")]
    Superfluous {
        /// The action.
        action: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key with too long a text.
    #[error("`{key}` has more than {max} bytes")]
    TooLong {
        /// The key.
        key: &'static str,
        /// The most bytes.
        max: usize,
    },
    /// The text of a key is wrong.
    #[error("`{key}`: {error}")]
    Text {
        /// The key.
        key: &'static str,
        /// How.
        error: TemplateError,
    },
    /// The pattern is no regular expression, or would need too much memory.
    #[error("`pattern`: {0}")]
    Pattern(String),
}

/// A rule that can be applied.
#[derive(Clone, Debug)]
pub struct HeaderEdit {
    on: RuleDirection,
    action: EditAction,
    header: HeaderName,
    change: HeaderChange,
}

/// The rules of a trunk, in the order in which they apply.
#[derive(Clone, Debug)]
pub struct HeaderRules {
    trunk: String,
    edits: Vec<HeaderEdit>,
}

/// What a rule did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// Its place among all rules of the trunk, from 0.
    pub place: usize,
    /// What it did.
    pub outcome: EditOutcome,
}

/// What a rule did to a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EditOutcome {
    /// It added, changed or removed so many lines.
    Changed(usize),
    /// There was nothing for it to do.
    Idle(Idle),
    /// It would have made a message that breaks a limit or a rule of SIP, and changed nothing.
    Refused(EditRefusal),
}

/// Why a rule had nothing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Idle {
    /// The message has no such header.
    Absent,
    /// No line has what the pattern looks for.
    Unmatched,
    /// What the rule makes is there already.
    Same,
    /// A variable of its value has no value in this message.
    Unknown(String),
}

/// Why a rule was not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum EditRefusal {
    /// The value would be too long.
    #[error("the value would have more than {RESULT_MAX} bytes")]
    TooLong,
    /// The value would have a control character.
    #[error("the value would have a control character")]
    Control,
    /// The message has no room for it.
    #[error("the message would be longer than SIP elements take")]
    Full,
}

impl fmt::Display for EditOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(1) => f.write_str("changed 1 line"),
            Self::Changed(lines) => write!(f, "changed {lines} lines"),
            Self::Idle(Idle::Absent) => f.write_str("nothing: the message has no such header"),
            Self::Idle(Idle::Unmatched) => f.write_str("nothing: the pattern is found in no line"),
            Self::Idle(Idle::Same) => f.write_str("nothing: it is so already"),
            Self::Idle(Idle::Unknown(variable)) => write!(f, "nothing: {{{variable}}} has no value in this message"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

// === impl HeaderEdit ===

impl HeaderEdit {
    /// Checks a rule and makes it ready for use.
    ///
    /// # Errors
    /// When it would change a protected header, has a bad name, pattern or value, or keys that its action does not have.
    pub fn compile(text: &RuleText<'_>) -> Result<Self, HeaderRuleError> {
        let RuleText { on, action, .. } = *text;
        if !is_token(text.header) || text.header.len() > HEADER_NAME_MAX {
            return Err(HeaderRuleError::Name(text.header.chars().take(HEADER_NAME_MAX).collect()));
        }
        let header = HeaderName::from_name(text.header);
        if let Some(why) = protected::why(&header, action) {
            return Err(HeaderRuleError::Protected { header: header.as_str().to_owned(), why });
        }
        let change = match action {
            EditAction::Add => HeaderChange::Add(text.written(&["pattern", "replace"])?),
            EditAction::Set => HeaderChange::Set(text.written(&["pattern", "replace"])?),
            EditAction::Remove => {
                text.has_no(&["value", "replace"])?;
                HeaderChange::Remove(text.pattern.map(pattern).transpose()?)
            }
            EditAction::Rewrite => {
                text.has_no(&["value"])?;
                let missing = HeaderRuleError::Missing { action: action.as_str(), key: "pattern" };
                let pattern = pattern(text.pattern.ok_or(missing)?)?;
                let with = text.replace.unwrap_or_default();
                HeaderChange::Rewrite(template("replace", with, on, Some(pattern.captures_len()))?, pattern)
            }
        };
        Ok(Self { on, action, header, change })
    }

    /// What it does.
    pub const fn action(&self) -> EditAction {
        self.action
    }

    /// The header that it is about.
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }
}

impl RuleText<'_> {
    fn of(&self, key: &str) -> Option<&str> {
        match key {
            "value" => self.value,
            "pattern" => self.pattern,
            _ => self.replace,
        }
    }

    fn has_no(&self, keys: &[&'static str]) -> Result<(), HeaderRuleError> {
        let present = keys.iter().copied().find(|key| self.of(key).is_some());
        present.map_or(Ok(()), |key| Err(HeaderRuleError::Superfluous { action: self.action.as_str(), key }))
    }

    /// The value, of a rule that has none of these keys.
    fn written(&self, unwanted: &[&'static str]) -> Result<Template, HeaderRuleError> {
        self.has_no(unwanted)?;
        let missing = HeaderRuleError::Missing { action: self.action.as_str(), key: "value" };
        template("value", self.value.ok_or(missing)?, self.on, None)
    }
}

fn template(
    key: &'static str,
    text: &str,
    on: RuleDirection,
    groups: Option<usize>,
) -> Result<Template, HeaderRuleError> {
    if text.len() > VALUE_MAX {
        return Err(HeaderRuleError::TooLong { key, max: VALUE_MAX });
    }
    Template::parse(text, on, groups).map_err(|error| HeaderRuleError::Text { key, error })
}

fn pattern(text: &str) -> Result<regex::Regex, HeaderRuleError> {
    if text.len() > HEADER_PATTERN_MAX {
        return Err(HeaderRuleError::TooLong { key: "pattern", max: HEADER_PATTERN_MAX });
    }
    RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        // The last line says what is wrong; those before draw where.
        let said = error.to_string();
        HeaderRuleError::Pattern(said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
    })
}

// === impl HeaderRules ===

impl HeaderRules {
    /// The rules of a trunk; those beyond [`HEADER_RULES_MAX`] are left out.
    pub fn new(trunk: impl Into<String>, mut edits: Vec<HeaderEdit>) -> Self {
        edits.truncate(HEADER_RULES_MAX);
        Self { trunk: trunk.into(), edits }
    }

    /// Whether a rule for that direction is about that header.
    pub fn is_about(&self, on: RuleDirection, header: &HeaderName) -> bool {
        self.edits.iter().any(|edit| edit.on == on && edit.header == *header)
    }

    /// Applies the rules for that direction to a message of `call`, if that is known; returns what each did.
    pub fn apply(&self, on: RuleDirection, message: &mut Message, call: Option<ConnId>) -> Vec<Effect> {
        let meant = self.edits.iter().enumerate().filter(|(_, edit)| edit.on == on);
        let mut effects = Vec::new();
        let mut facts = None;
        for (place, edit) in meant {
            let facts = facts.get_or_insert_with(|| Facts::of(message, &self.trunk, call, on));
            let outcome = edit.change.make(&edit.header, message, facts);
            effects.push(Effect { place, outcome });
        }
        effects
    }
}

#[cfg(test)]
mod tests;
