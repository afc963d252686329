//! Values with variables, as `<sip:{caller}@carrier.example>`.

use regex::Captures;
use thiserror::Error;

use super::facts::Facts;
use super::{EditRefusal, Idle, RESULT_MAX, RuleDirection};
use crate::header::HeaderName;
use crate::message::Message;
use crate::parse::is_token;

/// What begins a variable that stands for another header.
const HEADER: &str = "header:";

/// Why a text with variables cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TemplateError {
    /// Line ends would make further headers.
    #[error("it has a control character")]
    Control,
    /// A brace without its counterpart.
    #[error("a brace stands alone: write {{{{ or }}}} for the character itself")]
    Brace,
    /// A variable that there is not.
    #[error("there is no variable {{{0}}}; there are {{caller}}, {{called}}, {{trunk}}, {{call}} and {{header:NAME}}")]
    Variable(String),
    /// The call has no ConnID yet when its INVITE comes.
    #[error("{{call}} is known of sent INVITEs alone")]
    NoCall,
    /// A dollar sign that no digit follows.
    #[error(
        "a dollar sign stands alone: $0 is all that was found, $1 to $9 are its groups, $$ is the character itself"
    )]
    Dollar,
    /// A group that the pattern does not have.
    #[error("the pattern has no group {0}")]
    Group(usize),
}

/// A text with variables.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<TemplatePart>);

#[derive(Clone, Debug)]
enum TemplatePart {
    Text(String),
    Caller,
    Called,
    Trunk,
    Call,
    Header(HeaderName),
    Group(usize),
}

/// Why no value could be made.
pub(super) enum Unmade {
    /// There is nothing to do.
    Idle(Idle),
    /// The value breaks a limit.
    Refused(EditRefusal),
}

impl Template {
    /// Reads a text; `groups` is how many groups the pattern has beside which it stands, the whole included.
    pub(super) fn parse(text: &str, on: RuleDirection, groups: Option<usize>) -> Result<Self, TemplateError> {
        if text.chars().any(char::is_control) {
            return Err(TemplateError::Control);
        }
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(first) = rest.chars().next() {
            let second = rest.chars().nth(1);
            let (part, length) = match (first, second) {
                ('{', Some('{')) | ('}', Some('}')) => (TemplatePart::Text(first.to_string()), 2),
                ('{', _) => {
                    let end = rest.find('}').ok_or(TemplateError::Brace)?;
                    (variable(rest.get(1..end).unwrap_or_default(), on)?, end + 1)
                }
                ('}', _) => return Err(TemplateError::Brace),
                ('$', Some('$')) if groups.is_some() => (TemplatePart::Text("$".to_owned()), 2),
                ('$', _) if let Some(groups) = groups => (group(second, groups)?, 2),
                _ => (TemplatePart::Text(first.to_string()), first.len_utf8()),
            };
            match part {
                TemplatePart::Text(text) => plain.push_str(&text),
                part => {
                    parts.extend((!plain.is_empty()).then(|| TemplatePart::Text(std::mem::take(&mut plain))));
                    parts.push(part);
                }
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        parts.extend((!plain.is_empty()).then_some(TemplatePart::Text(plain)));
        Ok(Self(parts))
    }

    /// Appends the text with the values of its variables.
    pub(super) fn write(
        &self,
        out: &mut String,
        message: &Message,
        facts: &Facts,
        found: Option<&Captures<'_>>,
    ) -> Result<(), Unmade> {
        let unknown = |name| Unmade::Idle(Idle::Unknown(name));
        let known = |value: &Option<String>, name: &str| value.clone().ok_or_else(|| unknown(name.to_owned()));
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::Caller => out.push_str(&known(&facts.caller, "caller")?),
                TemplatePart::Called => out.push_str(&known(&facts.called, "called")?),
                TemplatePart::Trunk => out.push_str(&facts.trunk),
                TemplatePart::Call => out.push_str(&known(&facts.call, "call")?),
                TemplatePart::Header(name) => {
                    let value = message.header(name).filter(|value| !value.is_empty());
                    out.push_str(value.ok_or_else(|| unknown(format!("{HEADER}{name}")))?);
                }
                // A group that took no part in the match is empty.
                TemplatePart::Group(number) => {
                    out.push_str(found.and_then(|found| found.get(*number)).map_or("", |group| group.as_str()));
                }
            }
            if out.len() > RESULT_MAX {
                return Err(Unmade::Refused(EditRefusal::TooLong));
            }
        }
        Ok(())
    }
}

fn variable(name: &str, on: RuleDirection) -> Result<TemplatePart, TemplateError> {
    let header = name.get(..HEADER.len()).filter(|start| start.eq_ignore_ascii_case(HEADER));
    Ok(match name {
        "caller" => TemplatePart::Caller,
        "called" => TemplatePart::Called,
        "trunk" => TemplatePart::Trunk,
        "call" if on == RuleDirection::Received => return Err(TemplateError::NoCall),
        "call" => TemplatePart::Call,
        _ => match header.and_then(|_| name.get(HEADER.len()..)).filter(|name| is_token(name)) {
            Some(name) => TemplatePart::Header(HeaderName::from_name(name)),
            None => return Err(TemplateError::Variable(name.to_owned())),
        },
    })
}

fn group(digit: Option<char>, groups: usize) -> Result<TemplatePart, TemplateError> {
    let number = digit.and_then(|digit| digit.to_digit(10)).ok_or(TemplateError::Dollar)? as usize;
    if number >= groups {
        return Err(TemplateError::Group(number));
    }
    Ok(TemplatePart::Group(number))
}
