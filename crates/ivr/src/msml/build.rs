//! Building bodies: requests, results and events.

use std::fmt::Write as _;
use std::time::Duration;

use quick_xml::escape::escape;

use super::{
    Collect, Command, DELETE, Dialog, Event, Iterate, JoinStreams, Pattern, Play, Report, Response, Variable, code,
    record,
};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<msml version=\"1.1\">";
const TAIL: &str = "</msml>\n";

/// Builds the body of a request with these commands.
pub fn build_request(commands: &[Command]) -> String {
    let mut out = String::from(HEAD);
    for command in commands {
        push_command(&mut out, command);
    }
    out.push_str(TAIL);
    out
}

/// Builds the body of an answer.
pub fn build_result(response: &Response) -> String {
    let mut out = String::from(HEAD);
    put(&mut out, format_args!("<result response=\"{}\">", response.code));
    if let Some(description) = &response.description {
        put(&mut out, format_args!("<description>{}</description>", escape(description.as_str())));
    }
    if response.code == code::OK {
        for id in &response.dialogs {
            put(&mut out, format_args!("<dialogid>{}</dialogid>", escape(id.as_str())));
        }
    }
    out.push_str("</result>");
    out.push_str(TAIL);
    out
}

/// Builds the body of an event.
pub fn build_event(event: &Event) -> String {
    let mut out = String::from(HEAD);
    let (name, id) = (escape(event.name.as_str()), escape(event.id.as_str()));
    put(&mut out, format_args!("<event name=\"{name}\" id=\"{id}\">"));
    for (name, value) in &event.values {
        let (name, value) = (escape(name.as_str()), escape(value.as_str()));
        put(&mut out, format_args!("<name>{name}</name><value>{value}</value>"));
    }
    out.push_str("</event>");
    out.push_str(TAIL);
    out
}

fn push_command(out: &mut String, command: &Command) {
    match command {
        Command::DialogStart { connection, name, dialog } => {
            put(out, format_args!("<dialogstart target=\"conn:{}\"", escape(connection.as_str())));
            out.push_str(" type=\"application/moml+xml\"");
            if let Some(name) = name {
                put(out, format_args!(" name=\"{}\"", escape(name.as_str())));
            }
            out.push('>');
            push_dialog(out, dialog);
            out.push_str("</dialogstart>");
        }
        Command::DialogEnd { connection, name } => {
            let (connection, name) = (escape(connection.as_str()), escape(name.as_str()));
            put(out, format_args!("<dialogend id=\"conn:{connection}/dialog:{name}\"/>"));
        }
        Command::Echo { connection } => push_join(out, "join", connection, ("conn", connection), JoinStreams::Both),
        Command::EndEcho { connection } => {
            push_join(out, "unjoin", connection, ("conn", connection), JoinStreams::Both)
        }
        Command::Join { connection, conference, streams } => {
            push_join(out, "join", connection, ("conf", conference), *streams);
        }
        Command::Coach { connection, heard_by } => {
            push_join(out, "join", connection, ("conn", heard_by), JoinStreams::SpeaksOnly);
        }
        Command::Record { connection, name, beep } => {
            let (id, name) = (escape(connection.as_str()), escape(name.as_str()));
            let beep = if *beep { " beep=\"true\"" } else { "" };
            put(out, format_args!("<join id1=\"conn:{id}\" id2=\"rec:{name}\"{beep}>"));
            out.push_str("<stream media=\"audio\" dir=\"from-id1\"/></join>");
        }
        Command::EndRecord { connection, name } => {
            push_join(out, "unjoin", connection, ("rec", name), JoinStreams::Both);
        }
        Command::Unjoin { connection, conference } => {
            push_join(out, "unjoin", connection, ("conf", conference), JoinStreams::Both);
        }
        Command::Delete { connection, uri } => {
            let (connection, uri) = (escape(connection.as_str()), escape(uri.as_str()));
            put(out, format_args!("<send event=\"{DELETE}\" target=\"conn:{connection}\" valuelist=\"{uri}\"/>"));
        }
    }
}

fn push_join(out: &mut String, element: &str, connection: &str, (kind, other): (&str, &str), streams: JoinStreams) {
    let (id, other) = (escape(connection), escape(other));
    put(out, format_args!("<{element} id1=\"conn:{id}\" id2=\"{kind}:{other}\""));
    match streams {
        JoinStreams::Both => out.push_str("/>"),
        JoinStreams::HearsOnly => put(out, format_args!("><stream media=\"audio\" dir=\"to-id1\"/></{element}>")),
        JoinStreams::SpeaksOnly => put(out, format_args!("><stream media=\"audio\" dir=\"from-id1\"/></{element}>")),
        JoinStreams::Neither => {
            let muted = "<stream media=\"audio\" dir=\"from-id1\"><gain amt=\"mute\"/></stream>";
            put(out, format_args!(">{muted}</{element}>"));
        }
    }
}

fn push_dialog(out: &mut String, dialog: &Dialog) {
    if let Some(play) = &dialog.play {
        push_play(out, play);
    }
    if let Some(collect) = &dialog.collect {
        push_collect(out, collect);
    }
    if let Some(record) = &dialog.record {
        record::open(out, record);
        push_reports(out, "recordexit", &record.on_exit);
        out.push_str("</record>");
    }
    if !dialog.exit.is_empty() {
        push_exit(out, &dialog.exit);
    }
}

fn push_play(out: &mut String, play: &Play) {
    put(out, format_args!("<play barge=\"{}\"", play.barge));
    match play.iterate {
        Iterate::Times(1) => {}
        Iterate::Times(times) => put(out, format_args!(" iterate=\"{times}\"")),
        Iterate::Forever => out.push_str(" iterate=\"forever\""),
    }
    out.push('>');
    for uri in &play.audio {
        put(out, format_args!("<audio uri=\"{}\"/>", escape(uri.as_str())));
    }
    push_reports(out, "playexit", &play.on_exit);
    out.push_str("</play>");
}

fn push_collect(out: &mut String, collect: &Collect) {
    put(out, format_args!("<collect cleardb=\"{}\"", collect.clear_buffer));
    push_time(out, "fdt", collect.first_digit);
    push_time(out, "idt", collect.inter_digit);
    out.push('>');
    let Pattern { min, max, return_key } = collect.pattern;
    let key = return_key.map(|k| format!(";rtk={k}")).unwrap_or_default();
    let attributes = format!(" digits=\"min={min};max={max}{key}\" format=\"moml+digits\"");
    put(out, format_args!("<pattern{attributes}>"));
    collect.on_match.iter().for_each(|report| push_report(out, report));
    out.push_str("</pattern>");
    push_reports(out, "noinput", &collect.on_no_input);
    push_reports(out, "nomatch", &collect.on_no_match);
    push_reports(out, "dtmfexit", &collect.on_exit);
    out.push_str("</collect>");
}

fn push_time(out: &mut String, name: &str, time: Duration) {
    put(out, format_args!(" {name}=\"{}ms\"", time.as_millis()));
}

fn push_reports(out: &mut String, element: &str, reports: &[Report]) {
    if reports.is_empty() {
        return;
    }
    put(out, format_args!("<{element}>"));
    reports.iter().for_each(|report| push_report(out, report));
    put(out, format_args!("</{element}>"));
}

fn push_report(out: &mut String, report: &Report) {
    match report {
        Report::Exit { namelist } => push_exit(out, namelist),
        Report::Send { event, namelist } => {
            put(out, format_args!("<send target=\"source\" event=\"{}\"", escape(event.as_str())));
            push_namelist(out, namelist);
            out.push_str("/>");
        }
    }
}

fn push_exit(out: &mut String, namelist: &[Variable]) {
    out.push_str("<exit");
    push_namelist(out, namelist);
    out.push_str("/>");
}

fn push_namelist(out: &mut String, namelist: &[Variable]) {
    if !namelist.is_empty() {
        let names: Vec<&str> = namelist.iter().map(|v| v.as_str()).collect();
        put(out, format_args!(" namelist=\"{}\"", names.join(" ")));
    }
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
