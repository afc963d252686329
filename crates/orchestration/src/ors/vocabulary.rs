//! The dialect of applications: modules, elements and attributes (the book's chapter "Applications" is its manual).

use scxml::Vocabulary;
use scxml::vocabulary::{Element, Module, Place, RequestId};

/// The elements of applications beyond W3C's.
pub(super) const DIALECT: Vocabulary = Vocabulary { modules: &[DIALOG, QUEUE, INTERACTION] };

/// Treatments: prompts and digits.
const DIALOG: Module = Module {
    name: "dialog",
    segments: &["dialog"],
    elements: &[
        action("play", &["requestid", "interactionid", "prompts"], &["prompts"], &[]),
        action("playandcollect", COLLECT, &["prompts"], &[]),
        action("collect", COLLECT, &[], &[]),
        action("playsound", &["requestid", "interactionid", "type", "resource", "duration"], &["type"], &[]),
        action("start", &["requestid", "interactionid", "type"], &["type"], &[]),
        action("createann", &["requestid", "interactionid", "prompts", "termdigit", "maxtime", "silence"], &[], &[]),
        action("deleteann", &["requestid", "interactionid", "userannid"], &["userannid"], &[]),
        action("stop", &["requestid", "interactionid"], &[], &[]),
        child("runtreatments", &[], &["dialog:play", "dialog:playsound"]),
    ],
};

const COLLECT: &[&str] =
    &["requestid", "interactionid", "prompts", "maxdigits", "timeout", "interdigittimeout", "termdigit", "secret"];

/// Queueing for an agent.
const QUEUE: Module = Module {
    name: "queue",
    segments: &["queue"],
    elements: &[
        action(
            "submit",
            &["requestid", "interactionid", "queue", "priority", "ordertype", "orderstat", "timeout", "clear", "route"],
            &[],
            &["queue:targets", "dialog:runtreatments"],
        ),
        child("targets", &[], &["queue:target"]),
        child("target", &["type", "name", "skillexpr"], &[]),
        about("update", &["requestid", "priority"], &["requestid", "priority"]),
        about("cancel", &["requestid"], &["requestid"]),
    ],
};

/// Actions on the call itself.
const INTERACTION: Module = Module {
    name: "interaction",
    segments: &["interaction", "ixn", "voice"],
    elements: &[
        action("redirect", &["requestid", "interactionid", "to"], &["to"], &[]),
        action("terminate", &["requestid", "interactionid"], &[], &[]),
        action("udata", &["requestid", "interactionid", "delete"], &[], &["param"]),
    ],
};

const fn action(
    name: &'static str,
    attributes: &'static [&'static str],
    required: &'static [&'static str],
    children: &'static [&'static str],
) -> Element {
    Element { name, place: Place::Action, request_id: RequestId::Stored, attributes, required, children }
}

/// An action on an earlier request.
const fn about(name: &'static str, attributes: &'static [&'static str], required: &'static [&'static str]) -> Element {
    Element { name, place: Place::Action, request_id: RequestId::Named, attributes, required, children: &[] }
}

const fn child(name: &'static str, attributes: &'static [&'static str], children: &'static [&'static str]) -> Element {
    Element { name, place: Place::Child, request_id: RequestId::Stored, attributes, required: &[], children }
}
