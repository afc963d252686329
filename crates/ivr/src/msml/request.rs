//! Parsing requests. Unsupported elements and attributes are refused by name.

use std::time::Duration;

use super::xml::{self, Element};
use super::{
    AUDIO_MAX, COMMANDS_MAX, CONNECTION_MAX, Collect, Command, DELETE, DIGIT_TIMEOUT, DIGITS_MAX, Dialog, Iterate,
    JoinStreams, NAME_MAX, Pattern, Play, RECORD_MAX, REPORTS_MAX, Refusal, Report, URI_MAX, VARIABLES_MAX, Variable,
    code, record,
};

/// Parses the commands of an `<msml>` body.
pub fn parse_request(body: &[u8]) -> Result<Vec<Command>, Refusal> {
    let root = xml::parse(body)?;
    root.only(&["version"])?;
    match root.required("version")? {
        "1.1" | "1.0" => {}
        other => return Err(invalid(&root, "version", other)),
    }
    if root.children.is_empty() {
        return Err(Refusal::new(code::MISSING_ELEMENT, "<msml> has no request"));
    }
    if root.children.len() > COMMANDS_MAX {
        return Err(Refusal::new(code::NO_RESOURCES, format_args!("<msml> has more than {COMMANDS_MAX} requests")));
    }
    root.children.iter().map(command).collect()
}

fn command(element: &Element) -> Result<Command, Refusal> {
    match element.name.as_str() {
        "dialogstart" => {
            if let Some(kind) = element.attribute("type").filter(|k| *k != "application/moml+xml") {
                let what = format_args!("dialogs of type {kind} are not supported");
                return Err(Refusal::new(code::UNSUPPORTED_LANGUAGE, what));
            }
            element.only(&["target", "type", "name", "mark"])?;
            let connection = connection(element, "target")?;
            let name = element.attribute("name").map(str::to_owned);
            if name.as_deref().is_some_and(|n| n.is_empty() || n.len() > NAME_MAX || n.contains(['/', ':'])) {
                return Err(invalid(element, "name", name.as_deref().unwrap_or_default()));
            }
            Ok(Command::DialogStart { connection, name, dialog: dialog(element)? })
        }
        "dialogend" => {
            element.only(&["id", "mark"])?;
            let id = element.required("id")?;
            let (connection, name) = id
                .strip_prefix("conn:")
                .and_then(|rest| rest.split_once("/dialog:"))
                .ok_or_else(|| invalid(element, "id", id))?;
            Ok(Command::DialogEnd { connection: connection.to_owned(), name: name.to_owned() })
        }
        "join" => join(element),
        "unjoin" => unjoin(element),
        "send" => send(element),
        "createconference" | "modifyconference" | "destroyconference" | "modifystream" | "monitor" => {
            Err(unsupported(element))
        }
        _ => Err(Refusal::new(code::UNKNOWN_ELEMENT, format_args!("<{}> is not known", element.name))),
    }
}

/// An event to a connection: the deletion of a recording.
fn send(element: &Element) -> Result<Command, Refusal> {
    element.only(&["event", "target", "valuelist", "mark"])?;
    match element.required("event")? {
        DELETE => {}
        other => return Err(invalid(element, "event", other)),
    }
    let connection = connection(element, "target")?;
    match element.required("valuelist")? {
        uri if uri.len() <= URI_MAX => Ok(Command::Delete { connection, uri: uri.to_owned() }),
        long => Err(invalid(element, "valuelist", long)),
    }
}

fn join(element: &Element) -> Result<Command, Refusal> {
    let streams = streams(element)?;
    Ok(match (joined(element)?, streams) {
        ((connection, Other::Recording(name)), JoinStreams::SpeaksOnly) => {
            Command::Record { connection, name, beep: beep(element)? }
        }
        ((connection, Other::Conference(conference)), streams) => Command::Join { connection, conference, streams },
        ((connection, Other::Itself), JoinStreams::Both) => Command::Echo { connection },
        ((connection, Other::Connection(heard_by)), JoinStreams::SpeaksOnly) => Command::Coach { connection, heard_by },
        _ => {
            let text = "a connection can be joined with itself, with a conference, or from-id1 with a recording or one that hears it";
            return Err(Refusal::new(code::CANNOT_JOIN, text));
        }
    })
}

fn unjoin(element: &Element) -> Result<Command, Refusal> {
    if !element.children.is_empty() {
        return Err(Refusal::new(code::UNSUPPORTED_ELEMENT, format_args!("streams of <{}>", element.name)));
    }
    match joined(element)? {
        (connection, Other::Itself) => Ok(Command::EndEcho { connection }),
        (connection, Other::Conference(conference)) => Ok(Command::Unjoin { connection, conference }),
        (connection, Other::Recording(name)) => Ok(Command::EndRecord { connection, name }),
        (_, Other::Connection(other)) => {
            Err(Refusal::new(code::NO_SUCH_OBJECT, format_args!("the connection is not joined with conn:{other}")))
        }
    }
}

/// With what a connection is joined.
enum Other {
    Itself,
    Conference(String),
    Connection(String),
    Recording(String),
}

fn joined(element: &Element) -> Result<(String, Other), Refusal> {
    let one = connection(element, "id1")?;
    if let Some(name) = element.required("id2")?.strip_prefix("rec:") {
        return Ok((one, Other::Recording(recorded(element, name)?)));
    }
    element.only(&["id1", "id2", "mark"])?;
    if let Some(conference) = element.required("id2")?.strip_prefix("conf:") {
        return if (1..=NAME_MAX).contains(&conference.len()) && !conference.contains('/') {
            Ok((one, Other::Conference(conference.to_owned())))
        } else {
            Err(invalid(element, "id2", conference))
        };
    }
    let other = connection(element, "id2")?;
    let other = if one == other { Other::Itself } else { Other::Connection(other) };
    Ok((one, other))
}

fn recorded(element: &Element, name: &str) -> Result<String, Refusal> {
    element.only(&["id1", "id2", "mark", "beep"])?;
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if (1..=NAME_MAX).contains(&name.len()) && is_name(name) {
        Ok(name.to_owned())
    } else {
        Err(invalid(element, "id2", name))
    }
}

fn beep(element: &Element) -> Result<bool, Refusal> {
    match element.attribute("beep") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(invalid(element, "beep", other)),
    }
}

/// The streams of a `<join>`.
fn streams(element: &Element) -> Result<JoinStreams, Refusal> {
    let stream = match element.children.as_slice() {
        [] => return Ok(JoinStreams::Both),
        [stream] if stream.name == "stream" => stream,
        _ => return Err(Refusal::new(code::UNSUPPORTED_ELEMENT, "more than one <stream>, or another element")),
    };
    stream.only(&["media", "dir"])?;
    match stream.required("media")? {
        "audio" => {}
        other => return Err(invalid(stream, "media", other)),
    }
    match (stream.attribute("dir"), is_muted(stream)?) {
        (None, false) => Ok(JoinStreams::Both),
        (Some("to-id1"), false) => Ok(JoinStreams::HearsOnly),
        (Some("from-id1"), false) => Ok(JoinStreams::SpeaksOnly),
        (Some("from-id1"), true) => Ok(JoinStreams::Neither),
        (None | Some("to-id1"), true) => {
            Err(Refusal::new(code::UNSUPPORTED_ELEMENT, "<gain> of a stream that is not from-id1 alone"))
        }
        (Some(other), _) => Err(invalid(stream, "dir", other)),
    }
}

/// Whether a stream has the `<gain>` that mutes it.
fn is_muted(stream: &Element) -> Result<bool, Refusal> {
    match stream.children.as_slice() {
        [] => Ok(false),
        [gain] if gain.name == "gain" => {
            gain.only(&["amt"])?;
            match gain.required("amt")? {
                "mute" => Ok(true),
                other => Err(invalid(gain, "amt", other)),
            }
        }
        _ => Err(Refusal::new(code::UNSUPPORTED_ELEMENT, "more in <stream> than one <gain>")),
    }
}

fn connection(element: &Element, attribute: &str) -> Result<String, Refusal> {
    let value = element.required(attribute)?;
    match value.strip_prefix("conn:") {
        Some(id) if (1..=CONNECTION_MAX).contains(&id.len()) && !id.contains('/') => Ok(id.to_owned()),
        _ => Err(invalid(element, attribute, value)),
    }
}

fn dialog(start: &Element) -> Result<Dialog, Refusal> {
    let mut dialog = Dialog::default();
    for child in &start.children {
        match child.name.as_str() {
            "play" if dialog.play.is_none() && dialog.is_open() => dialog.play = Some(play(child)?),
            "collect" | "dtmf" if dialog.is_open() => {
                let (collect, nested) = collect(child)?;
                dialog.collect = Some(collect);
                only_play(&mut dialog, nested)?;
            }
            "record" if dialog.is_open() => {
                let (record, nested) = record(child)?;
                dialog.record = Some(record);
                only_play(&mut dialog, nested)?;
            }
            "play" | "collect" | "dtmf" | "record" => {
                let what = format_args!("<{}> in this place of <dialogstart>", child.name);
                return Err(Refusal::new(code::FORBIDDEN_ELEMENT, what));
            }
            "exit" => dialog.exit = namelist(child)?,
            _ => return Err(unknown_or_unsupported(child)),
        }
    }
    if dialog.play.is_none() && dialog.is_open() {
        return Err(Refusal::new(code::MISSING_ELEMENT, "<dialogstart> needs <play>, <collect> or <record>"));
    }
    Ok(dialog)
}

impl Dialog {
    /// Whether it neither collects nor records yet.
    const fn is_open(&self) -> bool {
        self.collect.is_none() && self.record.is_none()
    }
}

/// Takes the play within another element, if it is the only one.
fn only_play(dialog: &mut Dialog, nested: Option<Play>) -> Result<(), Refusal> {
    if nested.is_some() && dialog.play.is_some() {
        return Err(Refusal::new(code::FORBIDDEN_ELEMENT, "a second <play>"));
    }
    dialog.play = dialog.play.take().or(nested);
    Ok(())
}

fn play(element: &Element) -> Result<Play, Refusal> {
    element.only(&["id", "iterate", "barge"])?;
    let mut play = Play {
        audio: Vec::new(),
        iterate: iterate(element)?,
        barge: boolean(element, "barge")?.unwrap_or(false),
        on_exit: Vec::new(),
    };
    for child in &element.children {
        match child.name.as_str() {
            "audio" => {
                child.only(&["uri", "format"])?;
                let uri = child.required("uri")?;
                if uri.len() > URI_MAX {
                    return Err(invalid(child, "uri", uri));
                }
                play.audio.push(uri.to_owned());
            }
            "playexit" => play.on_exit = reports(child)?,
            _ => return Err(unknown_or_unsupported(child)),
        }
    }
    match play.audio.len() {
        0 => Err(Refusal::new(code::MISSING_ELEMENT, "<play> needs <audio>")),
        1..=AUDIO_MAX => Ok(play),
        _ => Err(Refusal::new(code::NO_RESOURCES, format_args!("<play> has more than {AUDIO_MAX} <audio>"))),
    }
}

fn collect(element: &Element) -> Result<(Collect, Option<Play>), Refusal> {
    element.only(&["id", "cleardb", "fdt", "idt"])?;
    let mut nested = None;
    let mut collect = Collect::new(Pattern { min: 1, max: 1, return_key: None });
    collect.clear_buffer = boolean(element, "cleardb")?.unwrap_or(true);
    collect.first_digit = time(element, "fdt")?.unwrap_or(DIGIT_TIMEOUT);
    collect.inter_digit = time(element, "idt")?.unwrap_or(DIGIT_TIMEOUT);
    let mut patterns = 0;
    for child in &element.children {
        match child.name.as_str() {
            "play" if nested.is_none() => nested = Some(play(child)?),
            "pattern" if patterns == 0 => {
                patterns += 1;
                collect.pattern = pattern(child)?;
                collect.on_match = reports(child)?;
            }
            "pattern" => return Err(Refusal::new(code::UNSUPPORTED_ELEMENT, "a second <pattern> is not supported")),
            "noinput" => collect.on_no_input = reports(child)?,
            "nomatch" => collect.on_no_match = reports(child)?,
            "dtmfexit" => collect.on_exit = reports(child)?,
            _ => return Err(unknown_or_unsupported(child)),
        }
    }
    if patterns == 0 {
        return Err(Refusal::new(code::MISSING_ELEMENT, format_args!("<{}> needs <pattern>", element.name)));
    }
    Ok((collect, nested))
}

/// `xxx`, `length=3` or `min=1;max=4;rtk=#`.
/// Reads `<record>`, with the play within it.
fn record(element: &Element) -> Result<(record::Record, Option<Play>), Refusal> {
    element.only(&["id", "append", "dest", "format", "maxtime", "postspeech", "termkey", "beep"])?;
    if boolean(element, "append")? == Some(true) {
        return Err(invalid(element, "append", "true"));
    }
    let uri = element.required("dest")?;
    if uri.len() > URI_MAX {
        return Err(invalid(element, "dest", uri));
    }
    match element.required("format")? {
        record::FORMAT => {}
        other => return Err(invalid(element, "format", other)),
    }
    let most = element.required("maxtime")?;
    let longest = time(element, "maxtime")?.filter(|time| !time.is_zero() && *time <= RECORD_MAX);
    let mut record = record::Record {
        uri: uri.to_owned(),
        longest: longest.ok_or_else(|| invalid(element, "maxtime", most))?,
        silence: time(element, "postspeech")?.filter(|time| !time.is_zero()),
        end_key: element.attribute("termkey").map(|keys| end_key(element, keys)).transpose()?,
        beep: boolean(element, "beep")?.unwrap_or(false),
        on_exit: Vec::new(),
    };
    let mut nested = None;
    for child in &element.children {
        match child.name.as_str() {
            "play" if nested.is_none() => nested = Some(play(child)?),
            "recordexit" => record.on_exit = reports(child)?,
            _ => return Err(unknown_or_unsupported(child)),
        }
    }
    Ok((record, nested))
}

fn end_key(element: &Element, text: &str) -> Result<char, Refusal> {
    let mut keys = text.chars();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => Ok(key),
        _ => Err(invalid(element, "termkey", text)),
    }
}

fn pattern(element: &Element) -> Result<Pattern, Refusal> {
    element.only(&["digits", "format"])?;
    if let Some(format) = element.attribute("format").filter(|f| *f != "moml+digits") {
        return Err(invalid(element, "format", format));
    }
    let digits = element.required("digits")?;
    let refuse = || invalid(element, "digits", digits);
    let within = |n: usize| u8::try_from(n).ok().filter(|n| (1..=DIGITS_MAX).contains(n)).ok_or_else(refuse);
    if digits.bytes().all(|b| b == b'x') {
        let count = within(digits.len())?;
        return Ok(Pattern { min: count, max: count, return_key: None });
    }
    let mut pattern = Pattern { min: 1, max: DIGITS_MAX, return_key: None };
    for part in digits.split(';') {
        let (key, value) = part.split_once('=').ok_or_else(refuse)?;
        let number = || value.parse().map_err(|_| refuse()).and_then(within);
        match key.trim() {
            "min" => pattern.min = number()?,
            "max" => pattern.max = number()?,
            "length" => (pattern.min, pattern.max) = (number()?, number()?),
            "rtk" => {
                let mut keys = value.chars();
                let (Some(key), None) = (keys.next(), keys.next()) else { return Err(refuse()) };
                pattern.return_key = Some(key).filter(|key| is_key(*key));
                pattern.return_key.ok_or_else(refuse)?;
            }
            _ => return Err(refuse()),
        }
    }
    if pattern.min <= pattern.max { Ok(pattern) } else { Err(refuse()) }
}

/// Whether a phone has this key.
fn is_key(key: char) -> bool {
    "0123456789*#ABCD".contains(key)
}

fn reports(element: &Element) -> Result<Vec<Report>, Refusal> {
    if element.children.len() > REPORTS_MAX {
        let what = format_args!("<{}> has more than {REPORTS_MAX} elements", element.name);
        return Err(Refusal::new(code::NO_RESOURCES, what));
    }
    element.children.iter().map(report).collect()
}

fn report(element: &Element) -> Result<Report, Refusal> {
    match element.name.as_str() {
        "exit" => Ok(Report::Exit { namelist: namelist(element)? }),
        "send" => {
            element.only(&["target", "event", "namelist"])?;
            match element.required("target")? {
                "source" => match element.required("event")? {
                    event if event.len() > NAME_MAX => Err(invalid(element, "event", event)),
                    event => Ok(Report::Send { event: event.to_owned(), namelist: variables(element)? }),
                },
                other => Err(invalid(element, "target", other)),
            }
        }
        _ => Err(unknown_or_unsupported(element)),
    }
}

fn namelist(element: &Element) -> Result<Vec<Variable>, Refusal> {
    element.only(&["namelist"])?;
    variables(element)
}

fn variables(element: &Element) -> Result<Vec<Variable>, Refusal> {
    let names = element.attribute("namelist").unwrap_or_default();
    if names.split_ascii_whitespace().count() > VARIABLES_MAX {
        return Err(invalid(element, "namelist", names));
    }
    names
        .split_ascii_whitespace()
        .map(|name| Variable::parse(name).ok_or_else(|| invalid(element, "namelist", name)))
        .collect()
}

fn iterate(element: &Element) -> Result<Iterate, Refusal> {
    match element.attribute("iterate") {
        None => Ok(Iterate::Times(1)),
        Some("forever" | "-1") => Ok(Iterate::Forever),
        Some(text) => match text.parse() {
            Ok(times @ 1..) => Ok(Iterate::Times(times)),
            _ => Err(invalid(element, "iterate", text)),
        },
    }
}

fn boolean(element: &Element, name: &str) -> Result<Option<bool>, Refusal> {
    match element.attribute(name) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => Err(invalid(element, name, other)),
    }
}

/// A time: `10s` or `500ms`, at most an hour.
fn time(element: &Element, name: &str) -> Result<Option<Duration>, Refusal> {
    const HOUR_MS: u64 = 3_600_000;
    let Some(text) = element.attribute(name) else { return Ok(None) };
    let ms = match text.strip_suffix("ms") {
        Some(ms) => ms.parse().ok(),
        None => text.strip_suffix('s').and_then(|s| s.parse::<u64>().ok()).and_then(|s| s.checked_mul(1_000)),
    };
    match ms {
        Some(ms) if ms <= HOUR_MS => Ok(Some(Duration::from_millis(ms))),
        _ => Err(invalid(element, name, text)),
    }
}

fn invalid(element: &Element, attribute: &str, value: &str) -> Refusal {
    let shown: String = value.chars().take(64).collect();
    Refusal::new(code::INVALID_VALUE, format_args!("{attribute}=\"{shown}\" of <{}> cannot be taken", element.name))
}

fn unsupported(element: &Element) -> Refusal {
    Refusal::new(code::UNSUPPORTED_ELEMENT, format_args!("<{}> is not supported", element.name))
}

/// Distinguishes elements that the RFC allows inside dialogs and we do not support from unknown ones.
fn unknown_or_unsupported(element: &Element) -> Refusal {
    const KNOWN: [&str; 21] = [
        "group",
        "disconnect",
        "recordexit",
        "dtmfgen",
        "tonegen",
        "media",
        "video",
        "var",
        "detect",
        "gain",
        "agc",
        "gate",
        "clamp",
        "relay",
        "vad",
        "tts",
        "simple",
        "send",
        "exit",
        "faxdetect",
        "speech",
    ];
    if KNOWN.contains(&element.name.as_str()) {
        unsupported(element)
    } else {
        Refusal::new(code::UNKNOWN_ELEMENT, format_args!("<{}> is not known", element.name))
    }
}
