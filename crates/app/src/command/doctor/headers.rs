//! `trunkline doctor headers`: what a trunk's rules about headers make of a message. Nothing is sent.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use contracts::provisioning::{HeaderRule, HeaderRuleOn, Trunk};
use net::header_rules::{compile, direction};
use runtime::exit::{Exit, ExitError};
use sip::header_rules::{EditOutcome, HeaderRules};
use sip::{Message, Method};

use super::trunk::{NO_CALL, find};
use crate::command::InstallationOptions;

/// Examples of the command.
pub const EXAMPLES: &str = "Examples:\n  trunkline doctor headers --trunk carrier --message invite.txt\n  \
                            trunkline doctor headers --tenant acme --trunk carrier --on received --message -\n  \
                            trunkline doctor headers --trunk carrier --file acme.yaml --message invite.txt    before the import\n\n\
                            The message is an INVITE as text, as a `text` under `ladder.messages` of `trunkline trace --json`; its lines may end as those of any text.";

/// The largest message that is read, in bytes: that of SIP, with room for other line ends.
const MESSAGE_MAX: u64 = 128 << 10;

#[derive(Args)]
pub struct Arguments {
    /// The trunk's name
    #[arg(long, value_name = "NAME")]
    trunk: String,
    /// Its tenant; needed where several tenants have a trunk of that name
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Whether the message goes to the carrier or comes from it: sent or received
    #[arg(long, value_name = "WAY", default_value = "sent", value_parser = way)]
    on: HeaderRuleOn,
    /// The file with the message; - is standard input
    #[arg(long, value_name = "FILE")]
    message: PathBuf,
    /// Take the trunk from this tenant's file instead of what is stored
    #[arg(long, value_name = "FILE", conflicts_with = "tenant")]
    file: Option<PathBuf>,
}

/// Prints what each rule does, and the message behind the last one.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (tenant, trunk) = match &arguments.file {
        Some(path) => of_file(path, &arguments.trunk)?,
        None => {
            let (tenant, trunk) = find(options, arguments.tenant.as_deref(), &arguments.trunk)?;
            (tenant.to_string(), trunk)
        }
    };
    let mut message = invite(&read(&arguments.message)?)?;
    say_line!("trunk {} of tenant {tenant}, an INVITE {}", trunk.name, arguments.on.as_str());
    let faults = apply(&trunk, arguments.on, &mut message);
    say_line!("\n{}", String::from_utf8_lossy(&message.to_bytes()).replace("\r\n", "\n").trim_end());
    match faults {
        0 => Ok(Exit::Done),
        count => {
            let text = format!("{count} rule{} could not be applied", if count == 1 { "" } else { "s" });
            Err(ExitError::new(Exit::CheckFailed, text).into())
        }
    }
}

/// Applies the rules, with a line for each; returns how many could not be applied.
fn apply(trunk: &Trunk, on: HeaderRuleOn, message: &mut Message) -> usize {
    let meant = trunk.headers.iter().enumerate().filter(|(_, rule)| rule.on == on);
    let (mut count, mut faults) = (0, 0);
    for (place, rule) in meant {
        count += 1;
        // One by one, so that a rule that cannot be used stands at its place.
        let said = match compile(rule) {
            Err(error) => {
                faults += 1;
                format!("cannot be used: {error}")
            }
            Ok(edit) => {
                let effects = HeaderRules::new(&*trunk.name, vec![edit]).apply(direction(on), message, Some(NO_CALL));
                faults += effects.iter().filter(|effect| matches!(effect.outcome, EditOutcome::Refused(_))).count();
                effects.first().map(|effect| effect.outcome.to_string()).unwrap_or_default()
            }
        };
        say_line!("rule {:<3} {}: {said}", place + 1, in_words(rule));
    }
    if count == 0 {
        say_line!("the trunk has no rules for it");
    }
    faults
}

fn in_words(rule: &HeaderRule) -> String {
    let part = |before: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!(" {before}{text:?}")).unwrap_or_default()
    };
    let (value, pattern) = (part("", &rule.value), part("", &rule.pattern));
    format!("{} {}{value}{pattern}{}", rule.action.as_str(), rule.header, part("as ", &rule.replace))
}

fn of_file(path: &Path, name: &str) -> anyhow::Result<(String, Trunk)> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let objects = tenant::file::read(&text, |document| std::fs::read_to_string(folder.join(document)))?;
    let found = objects.trunks.into_iter().find(|trunk| trunk.name == name);
    let unknown = || ExitError::new(Exit::Unknown, format!("there is no trunk {name} in {}", path.display()));
    Ok((objects.tenant.id, found.ok_or_else(unknown)?))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(MESSAGE_MAX).read_to_end(&mut text)?;
    } else {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        file.take(MESSAGE_MAX).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// The INVITE of a text. Editors write other line ends than SIP.
fn invite(text: &[u8]) -> anyhow::Result<Message> {
    let wrong = |why: String| ExitError::new(Exit::Usage, why);
    let text = String::from_utf8_lossy(text);
    let mut lines = text.trim_start().replace("\r\n", "\n").replace('\n', "\r\n");
    if !lines.contains("\r\n\r\n") {
        lines = format!("{}\r\n\r\n", lines.trim_end());
    }
    let message =
        Message::parse(lines.into()).map_err(|error| wrong(format!("the message cannot be read: {error}")))?;
    if !message.is_request() || message.method() != Method::Invite {
        return Err(wrong("the rules are about INVITEs: this is none".to_owned()).into());
    }
    Ok(message)
}

fn way(text: &str) -> Result<HeaderRuleOn, String> {
    HeaderRuleOn::parse(text).ok_or_else(|| "it is sent or received".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_an_editor_is_read() {
        let text = "\nINVITE sip:1@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\nFrom: <sip:2@a>;tag=1\nTo: <sip:1@b>\n\
                    Call-ID: a\nCSeq: 1 INVITE";
        let message = invite(text.as_bytes()).unwrap();
        assert_eq!(message.request_uri(), Some("sip:1@b"));
        assert!(invite(b"BYE sip:1@b SIP/2.0\nCSeq: 1 BYE\n\n").is_err());
        assert!(invite(b"hello").is_err());
    }
}
